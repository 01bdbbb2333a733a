"""Where the pieces of a stream of sound belong on the time line of a recording."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

RATE_HZ = 24_000
"""The sampling rate of recordings. Voices are synthesised at 22 to 24 kHz and speech lies below 12 kHz, so this keeps
everything in half the space of the 48 kHz on the wire."""

WINDOW = 2 * RATE_HZ
"""A piece is placed when all pieces of the next two seconds are known. After a network has stalled, the sound it held
back arrives within this time."""

TOLERANCE = 3 * RATE_HZ // 200
"""A stream is moved on the time line only when it is more than 15 ms off, because every move cuts or inserts sound."""


class AudioSegment(NamedTuple):
    """A part of a stream that stays in one piece. All fields count samples at `RATE_HZ`."""

    offset: int
    """Its beginning in the stream."""
    position: int
    """Its beginning on the time line."""
    length: int


class TimelineAligner:
    """Finds the place of each piece of one stream from the times at which the pieces arrived.

    A piece may arrive late but never early. So the promptest piece of the next two seconds shows where the stream
    belongs. The stream moves later when packets were lost or playback has stalled, which leaves silence, and earlier
    when the sender's clock is fast.
    """

    def __init__(self) -> None:
        self._pieces: deque[tuple[int, int]] = deque()
        """Offset and start of each piece that is not placed yet."""
        self._leads: deque[tuple[int, int]] = deque()
        """Offset and lead (start minus offset) of the pieces that no later piece beats. The least lead is first."""
        self._moves: list[tuple[int, int]] = []
        """The offsets from which on the stream has another lead, with that lead."""

    def add(self, offset: int, start: int) -> None:
        """Adds the next piece, which lies at `offset` of the stream and began at `start` if it was not late."""
        lead = start - offset
        while self._leads and self._leads[-1][1] >= lead:
            self._leads.pop()
        self._leads.append((offset, lead))
        self._pieces.append((offset, start))
        while self._pieces[0][1] <= start - WINDOW:
            self._place_piece(self._pieces.popleft()[0], self._leads, self._moves)

    def moves(self) -> list[tuple[int, int]]:
        """Returns the moves of the stream up to now: each is an offset, and the lead of the stream from there on."""
        leads, moves = self._leads.copy(), self._moves.copy()
        for offset, _ in self._pieces:
            self._place_piece(offset, leads, moves)
        return moves

    @staticmethod
    def _place_piece(offset: int, leads: deque[tuple[int, int]], moves: list[tuple[int, int]]) -> None:
        first, lead = leads[0]
        if first == offset:
            leads.popleft()
        if not moves or abs(lead - moves[-1][1]) > TOLERANCE:
            moves.append((offset, lead))


def segments(moves: Sequence[tuple[int, int]], length: int) -> list[AudioSegment]:
    """Returns the parts of a stream of `length` samples, in order. Where two would overlap, the later one is cut."""
    found = []
    free_from = 0
    ends = [*(offset for offset, _ in moves[1:]), length]
    for (offset, lead), end in zip(moves, ends, strict=False):
        begin = max(offset, free_from - lead)
        if begin < end:
            found.append(AudioSegment(begin, begin + lead, end - begin))
            free_from = end + lead
    return found
