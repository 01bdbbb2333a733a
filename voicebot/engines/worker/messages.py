"""The messages that the server and a worker process send each other over a pair of pipes.

The server sends one message for each job. The worker answers with any number of messages and one with the field `done`.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

HEAD = struct.Struct("<II")
"""What precedes a message: the number of bytes of JSON and of the body."""

Value = str | int | float | None

DONE = "done"
"""The field of a worker's last message about a job, and of the message by which it says that it has started."""


@dataclass(frozen=True, slots=True)
class WorkerMessage:
    """A few named values, and bytes (mostly 16-bit PCM)."""

    fields: Mapping[str, Value] = field(default_factory=dict)
    body: bytes = b""

    @classmethod
    def decoded(cls, data: bytes, fields_size: int) -> WorkerMessage:
        """Returns the message whose JSON and body follow one another in `data`."""
        return cls(json.loads(data[:fields_size]), data[fields_size:])

    def encoded_head(self) -> bytes:
        """Returns what is sent before the body."""
        fields = json.dumps(dict(self.fields)).encode()
        return HEAD.pack(len(fields), len(self.body)) + fields

    def text(self, name: str) -> str:
        """Returns a field that must be a string. Raises ValueError if it is not."""
        value = self.fields.get(name)
        if not isinstance(value, str):
            raise ValueError(f"message without a text {name!r}")
        return value

    def number(self, name: str) -> int:
        """Returns a field that must be an integer. Raises ValueError if it is not."""
        value = self.fields.get(name)
        if not isinstance(value, int):
            raise ValueError(f"message without a number {name!r}")
        return value
