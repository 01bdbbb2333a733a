"""Imports that no session has used yet: their compressed form, and the fair share of the space for each address."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass

from voicebot.dialogue.history import History, Message, Role
from voicebot.runtime.limits import UNUSED_BYTES, UNUSED_BYTES_PER_ADDRESS, UNUSED_ENTRY_BYTES
from voicebot.storage.record import message_bytes

LABEL_BYTES = 3


@dataclass(frozen=True, slots=True)
class Import:
    """An imported conversation in the form in which it is stored until a session uses it."""

    packed: bytes
    """The messages, compressed."""
    unpacked_bytes: int
    """The space that the messages take in the database once a session has used the import."""


@dataclass(frozen=True, slots=True)
class UnusedImport:
    """An unused import without its text. `bytes` is the length of the compressed text."""

    id: str
    label: str
    bytes: int

    @property
    def size(self) -> int:
        return self.bytes + UNUSED_ENTRY_BYTES


def pack(history: History) -> Import:
    """Compresses a history. Blocks for up to 20 ms, mostly without holding the global lock."""
    rows = [[message.role.value, message.text, message.interrupted] for message in history]
    text = json.dumps(rows, ensure_ascii=False).encode("utf-8", "replace")
    return Import(zlib.compress(text), message_bytes(history))


def unpack(packed: bytes) -> History:
    rows = json.loads(zlib.decompress(packed))
    return tuple(Message(Role(role), text, interrupted) for role, text, interrupted in rows)


def address_label(address: str) -> str:
    """Returns 24 bits of the address's hash. Thousands of addresses share each label, so it does not identify one."""
    return hashlib.sha256(address.encode("utf-8", "replace")).hexdigest()[: 2 * LABEL_BYTES]


def imports_to_delete(unused: Iterable[UnusedImport]) -> list[str]:
    """Returns the ids of the imports that have to be deleted. `unused` holds all of them, oldest first.

    An address that has more than its share loses its oldest imports. While the total still exceeds the limit, the
    address that has most loses its oldest import.
    """
    held: dict[str, deque[UnusedImport]] = defaultdict(deque)
    sizes: dict[str, int] = defaultdict(int)
    for each in unused:
        held[each.label].append(each)
        sizes[each.label] += each.size
    total = sum(sizes.values())
    gone = []

    def lose(label: str) -> int:
        oldest = held[label].popleft()
        sizes[label] -= oldest.size
        gone.append(oldest.id)
        return oldest.size

    for name in held:
        while sizes[name] > UNUSED_BYTES_PER_ADDRESS:
            total -= lose(name)
    while total > UNUSED_BYTES:
        total -= lose(max(sizes, key=sizes.__getitem__))
    return gone
