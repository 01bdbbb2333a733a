"""The threads that pack recordings and read imports."""

from __future__ import annotations

from dataclasses import dataclass, field

from voicebot.runtime.threads import Threads


@dataclass(frozen=True, slots=True)
class RecordingThreads:
    """One thread for each kind of work, so that a long job delays neither the other kind nor the sound of sessions."""

    packing: Threads = field(default_factory=lambda: Threads("packing", 1, rest=1))
    reading: Threads = field(default_factory=lambda: Threads("reading imports", 1, rest=4))

    def close(self) -> None:
        for each in (self.packing, self.reading):
            each.close()
