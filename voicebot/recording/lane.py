"""One channel of a recording: puts a stream of pieces on the time line of our own clock, by when they came."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import numpy as np

from voicebot.audio.sound import Audio, Resampler, Samples

RATE_HZ = 24_000
"""Of the recording: all that the voices have (they are made at 22 to 24 kHz), and of people's speech all below 12 kHz,
in half the space of the wire's 48 kHz."""

WINDOW = 2 * RATE_HZ
"""So far ahead it looks before it places a piece. A network that stood still brings what it held back soon after."""

BATCH = RATE_HZ // 2
"""Sound is returned in pieces of about this length."""

TOLERANCE = RATE_HZ // 100
"""Nothing is moved for less (10 ms); and up to `NOTICEABLE` (15 ms) only where it is quiet."""
NOTICEABLE = 3 * RATE_HZ // 200
QUIET = 300


class PlacedSound(NamedTuple):
    """Sound that has its place on the time line: `position` counts samples at `RATE_HZ`."""

    position: int
    samples: Samples


class Lane:
    """Pieces follow one another without a seam while the sender's clock keeps time with ours.

    A piece comes when the network lets it, but never too early: of the pieces of two seconds the promptest one shows
    where the stream belongs. If that is later than where the last piece ended, there is silence between (packets that
    never came, a microphone that was away); if it is earlier, the sender's clock is fast, and the overlap is left out.
    Positions count samples of the time line at `RATE_HZ`. `push` and `flush` return each stretch once, in order; what
    lies between two was silent.
    """

    def __init__(self) -> None:
        self._resampler: Resampler | None = None
        self._rate_hz = 0
        self._given = 0
        """Samples at the sender's rate since it has had this rate, which it took on at `_since` of the stream."""
        self._since = 0
        self._came = 0
        """So long the stream is: its samples are counted at `RATE_HZ`."""
        self._pieces: deque[tuple[int, int]] = deque()
        """Of each piece that is not placed yet: its first sample, and where it belongs by when it came."""
        self._leads: deque[tuple[int, int]] = deque()
        """How far ahead of its place in the stream that is: the least of all later ones comes first."""
        self._moves: deque[tuple[int, int]] = deque()
        """From which sample of the stream on its place is how many samples further."""
        self._sound: deque[Samples] = deque()
        self._ready = self._done = 0
        """The stream has been resampled, and returned, up to here."""
        self.end = 0
        """Of what has been returned."""

    def push(self, audio: Audio, start: int) -> list[PlacedSound]:
        """Adds the next piece, which by our clock began at `start` of the time line. Returns what has its place now."""
        if audio.rate_hz != self._rate_hz:
            self._change_rate(audio.rate_hz)
        assert self._resampler is not None
        self._keep(self._resampler.push(audio).samples)
        lead = start - self._came
        while self._leads and self._leads[-1][1] >= lead:
            self._leads.pop()
        self._leads.append((self._came, lead))
        self._pieces.append((self._came, start))
        self._given += len(audio.samples)
        self._came = self._since + self._given * RATE_HZ // self._rate_hz
        return self._place(start - WINDOW) if start - self._pieces[0][1] >= WINDOW + BATCH else []

    def flush(self) -> list[PlacedSound]:
        """Places and returns all that there is; more may come."""
        return self._place(self._pieces[-1][1]) if self._pieces else []

    def _change_rate(self, rate_hz: int) -> None:
        if self._resampler is not None:
            self._keep(self._resampler.flush().samples)
        self._resampler, self._rate_hz = Resampler(rate_hz, RATE_HZ), rate_hz
        self._keep(np.zeros(max(0, self._came - self._ready), np.int16))
        self._since = self._came = self._ready
        self._given = 0

    def _keep(self, samples: Samples) -> None:
        if len(samples):
            self._sound.append(samples)
            self._ready += len(samples)

    def _place(self, until: int) -> list[PlacedSound]:
        """Places all pieces that began at `until` or before."""
        while self._pieces and self._pieces[0][1] <= until:
            sample, _ = self._pieces.popleft()
            self._move(sample, self._leads[0][1])
            if self._leads[0][0] == sample:
                self._leads.popleft()
        return self._give_out(self._pieces[0][0] if self._pieces else self._came)

    def _move(self, sample: int, lead: int) -> None:
        off = abs(lead - self._moves[-1][1]) if self._moves else None
        if off is None or off > NOTICEABLE or (off > TOLERANCE and self._is_quiet(sample)):
            self._moves.append((sample, lead))

    def _is_quiet(self, sample: int) -> bool:
        """At this sample of the stream, as far as its sound is at hand."""
        first = self._done
        for piece in self._sound:
            if sample < first + len(piece):
                sound = piece[max(0, sample - first) :][: RATE_HZ // 100]
                return int(np.abs(sound.astype(np.int32)).max()) < QUIET
            first += len(piece)
        return False

    def _give_out(self, until: int) -> list[PlacedSound]:
        placed: list[PlacedSound] = []
        until = min(until, self._ready)
        while self._done < until:
            while len(self._moves) > 1 and self._moves[1][0] <= self._done:
                self._moves.popleft()
            stop = min(until, self._moves[1][0]) if len(self._moves) > 1 else until
            place = self._done + self._moves[0][1]
            samples = self._take(stop - self._done)
            self._done = stop
            there = samples[max(0, self.end - place) :]
            if len(there):
                placed.append(PlacedSound(place + len(samples) - len(there), there))
                self.end = place + len(samples)
        return placed

    def _take(self, count: int) -> Samples:
        taken: list[Samples] = []
        while count:
            piece = self._sound.popleft()
            if len(piece) > count:
                self._sound.appendleft(piece[count:])
                piece = piece[:count]
            taken.append(piece)
            count -= len(piece)
        return np.concatenate(taken)
