"""The messages that an engine and its worker process send each other over a pair of pipes."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum

_HEAD = struct.Struct("<BII")
"""Kind, bytes of JSON, bytes of body."""


class Kind(IntEnum):
    """What a message is about. A job is START, BEGUN … DONE; one worker does one job at a time."""

    READY = 0
    """Worker: it has loaded what it needs. Sent once."""
    START = 1
    """Engine: a job begins; the fields say which. The worker answers BEGUN at once."""
    DATA = 2
    """Either way: input or output of the job."""
    END = 3
    """Engine: that was all the input."""
    CANCEL = 4
    """Engine: stop the job (ignored when there is none)."""
    DONE = 5
    """Worker: the job has ended, cancelled or not; nothing of it follows."""
    BEGUN = 6
    """Worker: it has taken the job up. An idle worker that does not say so soon hangs."""


Value = str | int | float | None


@dataclass(frozen=True, slots=True)
class Message:
    """A kind, a few named values, and bytes (16-bit PCM, mostly)."""

    kind: Kind
    fields: Mapping[str, Value] = field(default_factory=dict)
    body: bytes = b""

    def encoded(self) -> bytes:
        fields = json.dumps(dict(self.fields)).encode() if self.fields else b""
        return _HEAD.pack(self.kind, len(fields), len(self.body)) + fields + self.body

    def text(self, name: str) -> str:
        """A field that must be there and be a string; ValueError if it is not."""
        value = self.fields.get(name)
        if not isinstance(value, str):
            raise ValueError(f"{self.kind.name} message without a text {name!r}")
        return value


class FrameBuffer:
    """Bytes in, whole messages out, wherever the reads happened to cut them."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def push(self, data: bytes) -> None:
        self._bytes += data

    def messages(self) -> Iterator[Message]:
        """The messages that are complete, oldest first; each is given once."""
        while (message := self.take()) is not None:
            yield message

    def take(self) -> Message | None:
        """The oldest complete message, if there is one."""
        if len(self._bytes) < _HEAD.size:
            return None
        kind, fields_size, body_size = _HEAD.unpack_from(self._bytes)
        body_at = _HEAD.size + fields_size
        if len(self._bytes) < body_at + body_size:
            return None
        fields = json.loads(self._bytes[_HEAD.size : body_at]) if fields_size else {}
        body = bytes(self._bytes[body_at : body_at + body_size])
        del self._bytes[: body_at + body_size]
        return Message(Kind(kind), fields, body)
