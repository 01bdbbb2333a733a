"""The messages that the server and a worker process send each other over a pair of pipes.

The server sends one message for each job. The worker answers with any number of messages and one with the field `done`.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

HEAD = struct.Struct("<II")
"""The header of a message: the lengths of its JSON and of its body in bytes."""

Value = str | int | float | None

DONE = "done"
"""The field that marks the last message about a job, and the message that the worker is ready."""


@dataclass(frozen=True, slots=True)
class WorkerMessage:
    """Named values, and bytes that are mostly 16-bit PCM."""

    fields: Mapping[str, Value] = field(default_factory=dict)
    body: bytes = b""

    @classmethod
    def decoded(cls, data: bytes, fields_size: int) -> WorkerMessage:
        """Returns the message in `data`, which holds the JSON and then the body."""
        return cls(json.loads(data[:fields_size]), data[fields_size:])

    def encoded_head(self) -> bytes:
        """Returns the header and the JSON, which are sent before the body."""
        fields = json.dumps(dict(self.fields)).encode()
        return HEAD.pack(len(fields), len(self.body)) + fields

    def text(self, name: str) -> str:
        """Returns the value of a text field. Raises ValueError if it is not a string."""
        value = self.fields.get(name)
        if not isinstance(value, str):
            raise ValueError(f"message without a text {name!r}")
        return value

    def number(self, name: str) -> int:
        """Returns the value of a numeric field. Raises ValueError if it is not an integer."""
        value = self.fields.get(name)
        if not isinstance(value, int):
            raise ValueError(f"message without a number {name!r}")
        return value
