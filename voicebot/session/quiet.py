"""Whether a microphone sends nothing any more (muted, its network away), or whether it is only we who were held up."""

from __future__ import annotations

QUIET_S = 0.3
"""After so long without sound the microphone counts as silent."""

LOOK_AGAIN_S = 0.06
"""It does so only if nothing has come by so much later, either: when the event loop was held up itself, the sound of
that time is there and will be read now. Silence in its place would tear the word apart that is being spoken."""


class QuietWatch:
    """Asked again and again, at least each `LOOK_AGAIN_S`."""

    def __init__(self) -> None:
        self._noticed_s: float | None = None

    def is_quiet(self, now_s: float, heard_s: float) -> bool:
        """Whether the microphone is silent now, whose last sound came at `heard_s` of the same clock."""
        if now_s - heard_s <= QUIET_S:
            self._noticed_s = None
            return False
        if self._noticed_s is None:
            self._noticed_s = now_s
        return now_s - self._noticed_s >= LOOK_AGAIN_S
