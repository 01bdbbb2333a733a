"""One utterance in the embedded recogniser: decoded as it comes, and whole whenever the speaker pauses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from voicebot.core.audio import SPEECH_RATE_HZ as RATE_HZ
from voicebot.core.audio import Samples
from voicebot.engines.base import Transcript
from voicebot.engines.stt.confidence import FLOOR, SPEECH_DB, confidence
from voicebot.engines.stt.recognizer import Recognizer

FIRST_S = 0.9
"""Speech, margins included, needed before decoding begins, unless the speaker pauses: less says too little about the
voice, and short replies would find the decoder busy with a guess at their pause."""

MEASURE_EVERY_S = 0.4
MEASURE_EVERY = 0.1
"""The mean spectrum is measured anew after so much more speech, in seconds and as a share: all of it is looked at."""

WHOLE_S = 3.0
"""Utterances up to this length are decoded whole at a pause and at the end: the mean spectrum of all of it is then
known (word errors 16.4 % against 21.7 % as it comes, on 160 s of speech). Longer ones would take more than a second
of CPU (0.25 s for each of speech and padding)."""

QUIET_S = 0.16
"""Silence before a pause is answered: a stop inside a word is shorter, and not worth a whole decode."""

MARGIN_S = 0.15

NOISE_S = 0.064
NOISE_DB = 6.0
"""What the detector took for silence just before a pause is the room's noise; so is what is hardly louder."""

LOUD_DB = 12.0
"""Less than this below the loudest 10 ms is speech, whatever came before the pause: detectors err."""


class Utterance:
    """The sound of one utterance and what has been made of it so far."""

    def __init__(self, recognizer: Recognizer) -> None:
        self._recognizer = recognizer
        self._pcm: Samples = np.zeros(0, np.int16)
        self._noise = 0.0
        self._pause: int | None = None
        """The newest pause, while it has no answer."""
        self._told = Transcript("", final=False, confidence=0.0)
        """The answer to the last pause, which holds for the sound before `_told_to`."""
        self._told_to = 0
        self._fed: int | None = None
        """Where the sound ends that was decoded as it came, from `_told_to` on; None while none is."""
        self._measured = 0
        self._shown = ""
        """What was decoded last, told or taken for noise."""

    def push(self, pcm: bytes) -> None:
        self._pcm = np.concatenate([self._pcm, np.frombuffer(pcm, np.int16)])

    def pause(self, number: int) -> None:
        """The speaker has fallen silent. An older pause that has no answer yet gets none."""
        self._pause = number
        self._noise = float(_energies(self._pcm[-round(NOISE_S * RATE_HZ) :]).mean()) if len(self._pcm) else 0.0

    def work(self) -> Transcript | None:
        """Decode what has come: the answer to a pause, or a new partial; None if there is nothing to tell."""
        start, end = speech_bounds(self._pcm, self._noise)
        if self._pause is not None and len(self._pcm) - end >= (QUIET_S - MARGIN_S) * RATE_HZ:
            self._told = replace(self._whole(start, end), pause=self._pause)
            self._told_to, self._pause = end, None
            return self._told
        if end - start < FIRST_S * RATE_HZ or end <= self._told_to:
            return None
        text = _joined(self._told.text, self._decode_on(start, end))
        if text in ("", self._shown):
            return None
        self._shown = text
        partial = self._judged(text, start, end)
        return partial if partial.text else None

    def finish(self) -> Transcript:
        """The words of all of it: the answer to the last pause if nothing but silence has followed."""
        return replace(self._whole(*speech_bounds(self._pcm, self._noise)), final=True, pause=None)

    def abandon(self) -> None:
        if self._fed is not None:
            self._recognizer.end()
            self._fed = None

    def _whole(self, start: int, end: int) -> Transcript:
        if end <= self._told_to:
            return self._told
        if end - start <= WHOLE_S * RATE_HZ:
            self.abandon()
            self._recognizer.measure(self._pcm[start:end])
            return self._judged(self._recognizer.whole(self._pcm[start:end]), start, end)
        self._decode_on(start, end)
        self._fed = None
        return self._judged(_joined(self._told.text, self._recognizer.end()), start, end)

    def _decode_on(self, start: int, end: int) -> str:
        """The words since the last pause, heard as they come."""
        due = self._measured + max(MEASURE_EVERY_S * RATE_HZ, MEASURE_EVERY * self._measured)
        if self._fed is None or len(self._pcm) >= due:
            self._recognizer.measure(self._pcm[start:end])
            self._measured = len(self._pcm)
        if self._fed is None:
            self._recognizer.begin()
            self._fed = self._told_to
        begun, self._fed = self._fed, len(self._pcm)
        return self._recognizer.feed(self._pcm[begun:])

    def _judged(self, text: str, start: int, end: int) -> Transcript:
        """The words with their confidence; none if they were very likely found in noise."""
        sure = confidence(self._pcm[start:end]) if text else 0.0
        return Transcript(text if sure >= FLOOR else "", final=False, confidence=sure)


def speech_bounds(pcm: Samples, noise: float = 0.0) -> tuple[int, int]:
    """First and last sample of speech, with a margin: (0, 0) if there is none.

    Speech is at most `SPEECH_DB` below the loudest 10 ms, and above the noise (mean square) by more than `NOISE_DB`.
    """
    energy = _energies(pcm)
    loudest = energy.max(initial=0.0)
    noisy = min(noise * 10 ** (NOISE_DB / 10), loudest * 10 ** (-LOUD_DB / 10))
    loud = np.flatnonzero(energy > max(loudest * 10 ** (-SPEECH_DB / 10), noisy))
    if not len(loud):
        return 0, 0
    size, margin = RATE_HZ // 100, round(MARGIN_S * RATE_HZ)
    return max(0, int(loud[0]) * size - margin), min(len(pcm), (int(loud[-1]) + 1) * size + margin)


def _energies(pcm: Samples) -> npt.NDArray[np.float32]:
    """Mean square of each whole 10 ms."""
    size = RATE_HZ // 100
    frames = pcm[: len(pcm) // size * size].reshape(-1, size).astype(np.float32)
    energies: npt.NDArray[np.float32] = np.mean(np.square(frames), axis=1)
    return energies


def _joined(*texts: str) -> str:
    return " ".join(text for text in texts if text)
