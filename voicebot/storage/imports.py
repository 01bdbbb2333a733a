"""Imports that no session has gone on with yet: compressed, and with a fair share of the space for each address."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass

from voicebot.dialogue.history import History, Message, Role
from voicebot.runtime.limits import STORED_MESSAGE_BYTES, UNUSED_BYTES, UNUSED_BYTES_PER_ADDRESS, UNUSED_ENTRY_BYTES

LABEL_BYTES = 3


@dataclass(frozen=True, slots=True)
class Import:
    """An imported conversation as it is stored until a session goes on with it."""

    packed: bytes
    """The compressed messages."""
    unpacked_bytes: int
    """What it takes in the database once a session has gone on with it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An unused import, without its text. `bytes` is the length of the compressed text."""

    id: str
    label: str
    bytes: int

    @property
    def size(self) -> int:
        return self.bytes + UNUSED_ENTRY_BYTES


def pack(history: History) -> Import:
    """Blocking: up to 20 ms, mostly without the global lock."""
    rows = [[message.role.value, message.text, message.interrupted] for message in history]
    text = json.dumps(rows, ensure_ascii=False).encode("utf-8", "replace")
    return Import(zlib.compress(text), stored_bytes(history))


def unpack(packed: bytes) -> History:
    rows = json.loads(zlib.decompress(packed))
    return tuple(Message(Role(role), text, interrupted) for role, text, interrupted in rows)


def stored_bytes(history: Iterable[Message]) -> int:
    """What these messages take in the database, about."""
    return sum(STORED_MESSAGE_BYTES + len(message.text.encode("utf-8", "replace")) for message in history)


def label(address: str) -> str:
    """What is stored of an address: 24 bits of its hash tell addresses apart, but thousands have the same ones."""
    return hashlib.sha256(address.encode("utf-8", "replace")).hexdigest()[: 2 * LABEL_BYTES]


def surplus(entries: Iterable[Entry]) -> list[str]:
    """The ids of the imports that have to go. `entries` are all there are, oldest first.

    An address that has more than its share loses its oldest imports. If all together still have too much, the address
    that has most loses its oldest one, again and again.
    """
    held: dict[str, deque[Entry]] = defaultdict(deque)
    sizes: dict[str, int] = defaultdict(int)
    for entry in entries:
        held[entry.label].append(entry)
        sizes[entry.label] += entry.size
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
