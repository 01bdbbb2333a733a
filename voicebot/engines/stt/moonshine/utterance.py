"""One utterance as it comes: what must be decoded next, and what can be told of it by now.

The model decodes a whole sound, so the growing utterance is decoded again and again. A long utterance is divided into
parts, at silences where there are some; each finished part is decoded once, and its words stay.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from voicebot.audio.sound import Samples
from voicebot.engines.protocols import Transcript
from voicebot.engines.stt.moonshine.recognition import Recognized
from voicebot.engines.stt.moonshine.scheduler import Urgency
from voicebot.engines.stt.moonshine.sound import (
    HOP,
    Energies,
    Span,
    energies,
    gaps,
    quietest_place,
    speaks_on,
    speech_span,
)

# All lengths here are in steps of 10 ms, as the energies are.

FIRST = 50
"""Interim texts begin when the speech has this length. Less is rarely a whole word, and hums are over by then."""

EVERY = 40
"""So much new sound is needed before the next interim text."""

BEFORE = 30
MARGIN = 15
"""So much sound before and after the speech is decoded, too: words begin and end softly. Of 120 short phrases in
flite's voices 97 were right with 0.3 s before them, 92 with 0.15 s; no more with 0.6 s, or with 0.3 s behind them."""

COVERED = 3
"""A decoding that ended so long after the speech has missed none of it."""

NOISE = 7
"""What the detector took for silence just before a pause is the room's noise: so much of it is measured."""

RESUMED = 8
"""Speech of this length after a pause ends the pause."""

SHORTEST_PART = 600
LONGEST_PART = 1_500
"""The length of the parts of a long utterance. Shorter ones lack context, longer ones delay the answer to a pause."""

GAP = 30
"""A silence of this length divides an utterance."""


@dataclass(frozen=True, slots=True)
class Request:
    """A sound to be decoded: from `start` to `end` in the part of this number."""

    urgency: Urgency
    part: int
    start: int
    end: int
    least_end: int
    """How far it must reach to miss no speech."""
    next_speech: int | None = None
    """Where the speech begins that must not be in it; None if there is none."""

    def serves(self, needed: Request) -> bool:
        """Whether the result of this request is as good as that of the other one."""
        if self.part != needed.part:
            return False
        if needed.urgency is Urgency.INTERIM or self.end == needed.end:
            return True
        too_long = needed.next_speech is not None and self.end > needed.next_speech
        return self.end >= needed.least_end and not too_long


class Utterance:
    """The sound of one utterance and what has been made of it so far.

    The sound is kept because the model decodes all of an unfinished part again whenever the part has grown.

    `request` says what must be decoded, `heard` takes the result, and `answer` returns what can be told.
    """

    def __init__(self) -> None:
        self._pcm: Samples = np.zeros(0, np.int16)
        """The part that is not finished yet: the first `_samples` of a longer buffer."""
        self._samples = 0
        self._energy: Energies = np.zeros(0, np.float32)
        self._noise = 0.0
        self._ended = self._closed = False
        self._pause: int | None = None
        """The number of the newest pause, while it has no answer."""
        self._silent_from: int | None = None
        """Where the newest pause was noticed; None once the speaker speaks on."""
        self._part = 0
        self._finished: list[Recognized] = []
        self._latest: tuple[Request, Recognized] | None = None
        """The newest decoding of the part that is not finished."""
        self._told = ""

    # The sound ----------------------------------------------------------------------------------------------------

    def push(self, samples: Samples) -> None:
        """Adds sound: no more than some seconds at once, which the event loop can afford."""
        needed = self._samples + len(samples)
        if needed > len(self._pcm):
            grown = np.zeros(max(needed, 2 * len(self._pcm)), np.int16)
            grown[: self._samples] = self._pcm[: self._samples]
            self._pcm = grown
        self._pcm[self._samples : needed] = samples
        measured = len(self._energy) * HOP
        self._samples = needed
        self._energy = np.concatenate([self._energy, energies(self._pcm[measured:needed])])
        if self._silent_from is not None and speaks_on(self._energy, self._noise, self._silent_from, RESUMED):
            self._silent_from = self._pause = None

    def pause(self, number: int) -> None:
        """The speaker has fallen silent. An older pause that has no answer yet gets none."""
        self._pause, self._silent_from = number, len(self._energy)
        recent = self._energy[-NOISE:]
        self._noise = float(recent.mean()) if len(recent) else 0.0

    def end(self) -> None:
        """All of the sound has come."""
        self._ended = True

    # What to decode -----------------------------------------------------------------------------------------------

    def request(self) -> Request | None:
        """Returns what must be decoded next; None if nothing is missing."""
        cut = self._finish_parts()
        if cut is not None:
            return cut
        span = speech_span(self._energy, self._noise)
        if span is None:
            return None
        if self._silent_from is not None:
            span = Span(span.start, min(span.end, self._silent_from))
        decoded = 0 if self._latest is None else self._latest[0].end
        if self._ended or self._pause is not None:
            request = self._ask(span, span.end + MARGIN)
            return None if self._latest is not None and self._latest[0].serves(request) else request
        if span.length >= FIRST and len(self._energy) - decoded >= EVERY and span.end > decoded:
            return self._ask(span, len(self._energy))
        return None

    def sound(self, request: Request) -> Samples:
        """Returns the sound of a request that was made of the newest state."""
        return self._pcm[request.start * HOP : request.end * HOP].copy()

    def heard(self, request: Request, found: Recognized) -> None:
        """Takes the result of a request."""
        if request.part == self._part:
            self._latest = request, found

    def _ask(self, span: Span, end: int, next_speech: int | None = None) -> Request:
        if self._ended:
            urgency = Urgency.FINAL
        elif self._pause is not None:
            urgency = Urgency.PAUSE
        else:
            urgency = Urgency.INTERIM if next_speech is None else Urgency.PART
        silent_from = len(self._energy) if self._silent_from is None else self._silent_from
        least_end = min(span.end + COVERED, silent_from if next_speech is None else next_speech)
        start = max(0, span.start - BEFORE)
        return Request(urgency, self._part, start, min(end, len(self._energy)), least_end, next_speech)

    def _finish_parts(self) -> Request | None:
        """Finishes the current part if it is long enough and its words are known. Returns a request if they are not."""
        while (gap := self._gap()) is not None:
            cut = min(gap.start + MARGIN, (gap.start + gap.end) // 2)
            request = self._ask(Span(0, gap.start), cut, gap.end)
            if self._latest is None or not self._latest[0].serves(request):
                return request
            self._finished.append(self._latest[1])
            self._latest = None
            self._part += 1
            self._pcm = self._pcm[cut * HOP : self._samples].copy()
            self._samples = len(self._pcm)
            self._energy = self._energy[cut:].copy()
            if self._silent_from is not None:
                self._silent_from = max(0, self._silent_from - cut)
        return None

    def _gap(self) -> Span | None:
        """Returns the silence at which the current part ends; None if it goes on.

        Where there is none for too long, it is one of no length, in the quietest place.
        """
        energy = self._energy[:LONGEST_PART]
        if len(self._energy) <= (LONGEST_PART if self._ended else SHORTEST_PART):
            return None
        found = gaps(energy, self._noise, SHORTEST_PART, GAP)
        if found:
            return found[-1 if self._ended else 0]
        if len(self._energy) <= LONGEST_PART:
            return None
        place = quietest_place(energy, SHORTEST_PART)
        return Span(place, place)

    # What to tell -------------------------------------------------------------------------------------------------

    def answer(self) -> Transcript | None:
        """Returns what can be told now and was not told yet; None if there is nothing."""
        if self._closed:
            return None
        needed = self.request()
        if self._ended:
            self._closed = needed is None
            return self._transcript(final=True) if self._closed else None
        if self._pause is not None:
            if needed is not None:
                return None
            pause, self._pause = self._pause, None
            return self._transcript(pause=pause)
        before = self._told
        told = self._transcript()
        return None if told.text in ("", before) else told

    def _transcript(self, *, final: bool = False, pause: int | None = None) -> Transcript:
        parts = [*self._finished, *([] if self._latest is None else [self._latest[1]])]
        self._told = " ".join(part.text for part in parts if part.text)
        words = [(part.confidence, len(part.text.split())) for part in parts if part.text]
        confidence = sum(sure * count for sure, count in words) / max(1, sum(count for _, count in words))
        backchannel = parts[0].backchannel if len(parts) == 1 else ""
        return Transcript(self._told, final=final, confidence=confidence, pause=pause, backchannel=backchannel)
