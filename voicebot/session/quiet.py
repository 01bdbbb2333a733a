"""Tells whether a microphone has stopped sending (muted, network lost) or only this process was held up."""

from __future__ import annotations

QUIET_S = 0.3
"""A microphone is silent if nothing has come from it for this long."""

LOOK_AGAIN_S = 0.06
"""A silence counts only if it lasts this much longer after it was noticed. If the event loop itself was held up, the
audio of that time has arrived meanwhile, and silence in its place would tear a spoken word apart."""


class QuietWatch:
    """Watches for a silent microphone. It must be asked at least every `LOOK_AGAIN_S`."""

    def __init__(self) -> None:
        self._noticed_s: float | None = None

    def is_quiet(self, now_s: float, heard_s: float) -> bool:
        """Returns True when the microphone is silent now. Its last audio came at `heard_s` of the same clock."""
        if now_s - heard_s <= QUIET_S:
            self._noticed_s = None
            return False
        if self._noticed_s is None:
            self._noticed_s = now_s
        return now_s - self._noticed_s >= LOOK_AGAIN_S
