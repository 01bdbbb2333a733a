"""One utterance while it grows: what has to be decoded next, and which transcript can be given by now.

Moonshine is not a streaming model, so the growing sound is decoded again and again. A long utterance is divided into
parts, at silences where possible. Each finished part is decoded once, and its words stay.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from voicebot.audio.sound import Samples
from voicebot.engines.protocols import Transcript
from voicebot.engines.stt.moonshine.energy import (
    HOP,
    Energies,
    StepSpan,
    energies,
    has_speech,
    quietest_place,
    silences,
    speech_span,
)
from voicebot.engines.stt.moonshine.recognition import RecognisedText
from voicebot.engines.stt.moonshine.scheduler import Urgency

# All lengths and places here are in steps of 10 ms, as the energies are.

FIRST_PARTIAL = 50
"""Partials begin when the speech has this length. Less is rarely a whole word, and a hum is over by then."""

PARTIAL_INTERVAL = 40
"""The next partial needs this much new sound."""

LEAD_IN = 30
LEAD_OUT = 15
"""This much sound before and after the speech is decoded with it, as words begin and end softly. Of 120 short phrases
in flite's voices 97 were right with 0.3 s before them and 92 with 0.15 s; 0.6 s before or 0.3 s after gave no more."""

COVERED = 3
"""A decoding that reaches this far beyond the speech has missed none of it."""

NOISE_STEPS = 7
"""The sound just before a pause is the room's noise. This much of it is measured."""

RESUMED = 8
"""Speech of this length ends a pause."""

MIN_PART = 600
MAX_PART = 1_500
"""The length of the parts of a long utterance. Shorter ones lack context, longer ones delay the answer to a pause."""

PART_SILENCE = 30
"""A silence of this length may end a part."""


@dataclass(frozen=True, slots=True)
class DecodeRequest:
    """Asks for the text of the sound from `start` to `end` in one part of the utterance."""

    urgency: Urgency
    part: int
    start: int
    end: int
    min_end: int
    """How far the sound must reach to miss no speech."""
    next_speech: int | None = None
    """Where speech begins that must not be in the sound; None if there is none."""

    def serves(self, needed: DecodeRequest) -> bool:
        """Returns whether the text for this request is as good as the text for the other one."""
        if self.part != needed.part:
            return False
        if needed.urgency is Urgency.INTERIM or self.end == needed.end:
            return True
        too_long = needed.next_speech is not None and self.end > needed.next_speech
        return self.end >= needed.min_end and not too_long


class GrowingUtterance:
    """The sound of the unfinished part, and the texts so far.

    The sound is kept because the whole part is decoded again whenever it has grown. `next_request` says what has to be
    decoded, `add_result` takes the text, and `next_transcript` returns what can be told.
    """

    def __init__(self) -> None:
        self._pcm: Samples = np.zeros(0, np.int16)
        """The unfinished part: the first `_samples` of a longer buffer."""
        self._samples = 0
        self._energy: Energies = np.zeros(0, np.float32)
        self._noise = 0.0
        self._ended = self._closed = False
        self._pause: int | None = None
        """The number of the newest pause while it has no answer."""
        self._silent_from: int | None = None
        """The place of the newest pause; None once the speaker speaks on."""
        self._part = 0
        self._finished: list[RecognisedText] = []
        self._latest: tuple[DecodeRequest, RecognisedText] | None = None
        """The newest text of the unfinished part."""
        self._told = ""

    # The sound ----------------------------------------------------------------------------------------------------

    def add_audio(self, samples: Samples) -> None:
        """Adds sound. The caller adds at most some seconds at once, as this runs on the event loop."""
        needed = self._samples + len(samples)
        if needed > len(self._pcm):
            grown = np.zeros(max(needed, 2 * len(self._pcm)), np.int16)
            grown[: self._samples] = self._pcm[: self._samples]
            self._pcm = grown
        self._pcm[self._samples : needed] = samples
        measured = len(self._energy) * HOP
        self._samples = needed
        self._energy = np.concatenate([self._energy, energies(self._pcm[measured:needed])])
        if self._silent_from is not None and has_speech(self._energy, self._noise, self._silent_from, RESUMED):
            self._silent_from = self._pause = None

    def add_pause(self, number: int) -> None:
        """Notes that the speaker has fallen silent. An earlier pause without an answer gets none any more."""
        self._pause, self._silent_from = number, len(self._energy)
        recent = self._energy[-NOISE_STEPS:]
        self._noise = float(recent.mean()) if len(recent) else 0.0

    def end(self) -> None:
        """Notes that all of the sound has come."""
        self._ended = True

    # Requests and results -----------------------------------------------------------------------------------------

    def next_request(self) -> DecodeRequest | None:
        """Returns what has to be decoded next; None if nothing is missing."""
        request = self._finish_parts()
        if request is not None:
            return request
        span = speech_span(self._energy, self._noise)
        if span is None:
            return None
        if self._silent_from is not None:
            span = StepSpan(span.start, min(span.end, self._silent_from))
        decoded_to = 0 if self._latest is None else self._latest[0].end
        if self._ended or self._pause is not None:
            request = self._request(span, span.end + LEAD_OUT)
            return None if self._latest is not None and self._latest[0].serves(request) else request
        grown = len(self._energy) - decoded_to >= PARTIAL_INTERVAL and span.end > decoded_to
        return self._request(span, len(self._energy)) if span.length >= FIRST_PARTIAL and grown else None

    def audio_of(self, request: DecodeRequest) -> Samples:
        """Returns the sound of a request. No sound may have been added since the request was made."""
        return self._pcm[request.start * HOP : request.end * HOP].copy()

    def add_result(self, request: DecodeRequest, result: RecognisedText) -> None:
        """Takes the text of a request."""
        if request.part == self._part:
            self._latest = request, result

    def _request(self, speech: StepSpan, end: int, next_speech: int | None = None) -> DecodeRequest:
        if self._ended:
            urgency = Urgency.FINAL
        elif self._pause is not None:
            urgency = Urgency.PAUSE
        else:
            urgency = Urgency.INTERIM if next_speech is None else Urgency.PART
        silent_from = len(self._energy) if self._silent_from is None else self._silent_from
        min_end = min(speech.end + COVERED, silent_from if next_speech is None else next_speech)
        start = max(0, speech.start - LEAD_IN)
        return DecodeRequest(urgency, self._part, start, min(end, len(self._energy)), min_end, next_speech)

    def _finish_parts(self) -> DecodeRequest | None:
        """Finishes the current part if it is long enough and its text is known. Returns a request if it is not."""
        while (silence := self._end_of_part()) is not None:
            cut = min(silence.start + LEAD_OUT, (silence.start + silence.end) // 2)
            request = self._request(StepSpan(0, silence.start), cut, silence.end)
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

    def _end_of_part(self) -> StepSpan | None:
        """Returns the silence at which the current part ends; None if the part goes on.

        If there is no silence for too long, returns an empty span at the quietest place.
        """
        energy = self._energy[:MAX_PART]
        if len(self._energy) <= (MAX_PART if self._ended else MIN_PART):
            return None
        found = silences(energy, self._noise, MIN_PART, PART_SILENCE)
        if found:
            return found[-1 if self._ended else 0]
        if len(self._energy) <= MAX_PART:
            return None
        place = quietest_place(energy, MIN_PART)
        return StepSpan(place, place)

    # Transcripts --------------------------------------------------------------------------------------------------

    def next_transcript(self) -> Transcript | None:
        """Returns what can be told now and was not told yet; None if there is nothing."""
        if self._closed:
            return None
        needed = self.next_request()
        if self._ended:
            self._closed = needed is None
            return self._transcript(final=True) if self._closed else None
        if self._pause is not None:
            if needed is not None:
                return None
            pause, self._pause = self._pause, None
            return self._transcript(pause=pause)
        told = self._told
        partial = self._transcript()
        return None if partial.text in ("", told) else partial

    def _transcript(self, *, final: bool = False, pause: int | None = None) -> Transcript:
        parts = [*self._finished, *([] if self._latest is None else [self._latest[1]])]
        self._told = " ".join(part.text for part in parts if part.text)
        words = [(part.confidence, len(part.text.split())) for part in parts if part.text]
        confidence = sum(value * count for value, count in words) / max(1, sum(count for _, count in words))
        backchannel = parts[0].backchannel if len(parts) == 1 else ""
        return Transcript(self._told, final=final, confidence=confidence, pause=pause, backchannel=backchannel)
