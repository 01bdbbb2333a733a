"""The threads for recordings and imports."""

from __future__ import annotations

from dataclasses import dataclass, field

from voicebot.runtime.threads import Threads


@dataclass(frozen=True, slots=True)
class Workers:
    """Threads of their own for each kind of work: a long one delays no other kind, and no session's sound."""

    packing: Threads = field(default_factory=lambda: Threads("packing", 1, rest=1))
    reading: Threads = field(default_factory=lambda: Threads("reading imports", 1, rest=4))
    files: Threads = field(default_factory=lambda: Threads("transfers", 2))

    def close(self) -> None:
        for each in (self.packing, self.reading, self.files):
            each.close()
