"""Keeps imports in memory on a server that stores no conversations."""

from __future__ import annotations

from dataclasses import dataclass

from voicebot.dialogue.history import History
from voicebot.runtime.clock import Clock
from voicebot.runtime.limits import HELD_S
from voicebot.runtime.threads import Threads
from voicebot.storage.imports import Import, UnusedImport, imports_to_delete, unpack


@dataclass(frozen=True, slots=True)
class _HeldImport:
    put_s: float
    label: str
    packed: bytes


class HeldImports:
    """Keeps imports for `HELD_S`. Each address has the same share of the space as in a database."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._imports: dict[str, _HeldImport] = {}
        self._threads = Threads("imports held", 1)

    def put(self, id: str, label: str, imported: Import) -> bool:
        """Keeps an import. Returns False if there is no room for it."""
        self._delete_old()
        self._imports[id] = _HeldImport(self._clock(), label, imported.packed)
        unused = (UnusedImport(id, held.label, len(held.packed)) for id, held in self._imports.items())
        for gone in imports_to_delete(unused):
            del self._imports[gone]
        return id in self._imports

    async def find(self, id: str) -> History | None:
        self._delete_old()
        held = self._imports.get(id)
        return None if held is None else await self._threads.run(unpack, held.packed)

    def ids(self) -> list[str]:
        self._delete_old()
        return list(self._imports)

    def drop(self, id: str) -> None:
        self._imports.pop(id, None)

    def close(self) -> None:
        self._threads.close()

    def _delete_old(self) -> None:
        since_s = self._clock() - HELD_S
        for id in [id for id, held in self._imports.items() if held.put_s < since_s]:
            del self._imports[id]
