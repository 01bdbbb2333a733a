"""Limits on what an MCP server sends, so that one that floods the bot delays no frame of audio."""

from __future__ import annotations

import asyncio

MAX_MESSAGE_BYTES = 1 << 20
"""The longest message, as in the SDK for events over HTTP. A longer one is never kept in memory as a whole."""

MAX_STRUCTURE = 15_000
"""The most brackets and commas in a message: a list of 600 ordinary tools. The worst message that this allows took
23 ms to parse on one core, and one of a megabyte of brackets 218 ms. Two frames of audio, 40 ms, wait to be sent."""

MESSAGES_PER_S = 200.0
"""How many messages are read in a second. A server that floods the bot with notifications took 5 % of one core, and one
that floods it with requests 10 %."""

BURST = 1_000.0
"""How many messages are read at once after a quiet time. A message of 1 MB counts as 257."""

MESSAGE_BYTES = 4_096
"""Each message counts once more for every so many bytes."""


def structure(data: bytes | bytearray) -> int:
    """Returns the number of brackets and commas, on which the time to parse the message depends."""
    return data.count(b"[") + data.count(b"{") + data.count(b",")


class TrafficLimit:
    """Lets a server's messages through at `MESSAGES_PER_S`, after a burst of `BURST`."""

    def __init__(self) -> None:
        self._left = BURST
        self._filled_s = asyncio.get_running_loop().time()

    def take(self, messages: float) -> float:
        """Counts messages. Returns for how many seconds the reader must now rest."""
        now_s = asyncio.get_running_loop().time()
        self._left = min(BURST, self._left + (now_s - self._filled_s) * MESSAGES_PER_S) - messages
        self._filled_s = now_s
        return max(0.0, -self._left / MESSAGES_PER_S)
