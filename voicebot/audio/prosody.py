"""Measures how an utterance sounds at its end: pitch, loudness and voice, relative to the utterance itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from voicebot.audio.pitch import (
    BAND_EDGES_HZ,
    CANDIDATES,
    FRAME_SAMPLES,
    HIGHEST_HZ,
    HOP_S,
    HOP_SAMPLES,
    LOWEST_HZ,
    Floats,
    analyse,
    band_levels_db,
    track,
)
from voicebot.audio.sound import Samples

KEPT_FRAMES = 188
"""3 s, the part of an utterance that is looked at in detail. Of what came before, only histograms are kept."""
LEAST_FRAMES = 25
"""A shorter sound than this, 0.4 s, says too little."""
LEAST_VOICED = 8

CLEAR = 0.6
"""A frame whose best candidate is this strong counts for the utterance's usual pitch."""
SPEECH_DB = 25.0
"""Speech that is fainter than this below the loudest does not count for the usual pitch."""
END_DB = 28.0
"""The voice ends with the last frame that is no fainter than this below the loudest."""
FAINT_DB = 35.0
"""A frame that is fainter than this below the loudest is not voiced."""
LOUD_DB = 20.0
"""The usual loudness is that of the frames no fainter than this below the loudest."""
ABOVE_FLOOR_DB = 8.0
"""The voice is louder than the background by this."""

END_FRAMES = 4
"""The final pitch is the median of this many voiced frames (64 ms)."""
LEVEL_FRAMES = 6
"""The final loudness is that of the last 0.1 s of the voice."""
SYLLABLE_FRAMES = 25
"""The last syllable's loudest frame is among the last 0.4 s."""

STEADY_DB = 5.5
"""The spectrum is the same while it differs by no more than this, root mean square over the bands."""
STEADY_GAP = 2
"""So many frames may differ within a steady sound."""
STEADY_WEIGHTS = np.array([1, 1, 1, 1, 1, 1, 0.5, 0.2])
"""The weights of the bands: the upper ones hold little of a voice."""
STEADY_ST = 0.7
"""The spread of pitch at which a steady sound counts for a third of its duration only: 1/e."""

ANALYSED_SAMPLES = 2_048
"""The sound that is analysed at once, 0.128 s: four windows of 32 ms take 180 us together, and 430 us one by one."""

_ST_BINS = round(12 * np.log2(HIGHEST_HZ / LOWEST_HZ) * 4) + 1
"""The pitch histogram has four bins a semitone."""
_QUIETEST_DB = -100.0


@dataclass(frozen=True, slots=True)
class Prosody:
    """How the end of an utterance sounds. Semitones (st) and decibels are relative to the utterance so far."""

    pitch_st: float | None = None
    """The final pitch above (positive) or below the median of the utterance; None if the end has no pitch."""
    level_db: float | None = None
    """The loudness of the last 0.1 s above the usual loudness of the utterance."""
    syllable_db: float | None = None
    """The loudest 16 ms of the last 0.4 s above the usual loudness of the utterance."""
    periodicity: float | None = None
    """How much more (positive) or less periodic the last voiced 0.1 s are than the utterance, as a difference of
    autocorrelations (0 to 1). A creaky or breathy voice is less periodic."""
    steady_s: float = 0.0
    """For how long the voice has held one sound up to its end, in seconds. A sound with a moving pitch counts less."""


class ProsodyMeter:
    """Follows one utterance after another. Its memory does not grow with the length of an utterance."""

    def __init__(self) -> None:
        self._waiting: list[Samples] = []
        """What is not analysed yet."""
        self._sound = np.zeros(FRAME_SAMPLES - HOP_SAMPLES, np.float32)
        """The samples that the next frame begins with."""
        self._hz = np.full((2 * KEPT_FRAMES, CANDIDATES), LOWEST_HZ, np.float32)
        self._strengths = np.zeros((2 * KEPT_FRAMES, CANDIDATES), np.float32)
        self._levels = np.zeros(2 * KEPT_FRAMES, np.float32)
        self._bands = np.zeros((2 * KEPT_FRAMES, len(BAND_EDGES_HZ) - 1), np.float32)
        self._count = 0
        """How many frames these arrays hold. When they are full, the newer half is moved to their beginning."""
        self._level_counts = np.zeros(-round(_QUIETEST_DB) + 1, np.int64)
        self._pitch_counts = np.zeros((len(self._level_counts), _ST_BINS), np.int64)
        """How many clearly voiced frames had which level and pitch."""

    def start(self) -> None:
        """Forgets the utterance so far: another one begins."""
        self._waiting.clear()
        self._sound = np.zeros(FRAME_SAMPLES - HOP_SAMPLES, np.float32)
        self._count = 0
        self._level_counts[:] = 0
        self._pitch_counts[:] = 0

    def add(self, samples: Samples) -> None:
        """Takes the next int16 samples of the utterance, at 16 kHz."""
        self._waiting.append(samples)
        if sum(map(len, self._waiting)) >= ANALYSED_SAMPLES:
            self._analyse_waiting()

    def _analyse_waiting(self) -> None:
        if not self._waiting:
            return
        samples = np.concatenate(self._waiting)
        self._waiting.clear()
        for start in range(0, len(samples), KEPT_FRAMES * HOP_SAMPLES):
            self._analyse(samples[start : start + KEPT_FRAMES * HOP_SAMPLES])

    def _analyse(self, samples: Samples) -> None:
        sound = np.concatenate([self._sound, samples.astype(np.float32)])
        count = (len(sound) - FRAME_SAMPLES) // HOP_SAMPLES + 1
        if count < 1:
            self._sound = sound
            return
        self._sound = sound[count * HOP_SAMPLES :]
        frames = analyse(sound[: FRAME_SAMPLES + (count - 1) * HOP_SAMPLES])
        newest = sound[FRAME_SAMPLES - HOP_SAMPLES :][: count * HOP_SAMPLES].reshape(count, HOP_SAMPLES)
        levels = 10 * np.log10(np.mean(newest * newest, axis=1) / 32768.0**2 + 1e-10)
        if self._count + count > len(self._levels):
            for kept in (self._hz, self._strengths, self._levels, self._bands):
                kept[:KEPT_FRAMES] = kept[self._count - KEPT_FRAMES : self._count]
            self._count = KEPT_FRAMES
        places = slice(self._count, self._count + count)
        self._hz[places] = frames.hz
        self._strengths[places] = frames.strengths
        self._levels[places] = levels
        self._bands[places] = band_levels_db(frames.powers)
        self._count += count
        rows = np.clip(np.round(levels - _QUIETEST_DB), 0, len(self._level_counts) - 1).astype(np.int64)
        np.add.at(self._level_counts, rows, 1)
        clear = frames.strengths[:, 0] > CLEAR
        semitones = np.round(_semitones(frames.hz[clear, 0]) * 4).astype(np.int64)
        np.add.at(self._pitch_counts, (rows[clear], np.clip(semitones, 0, _ST_BINS - 1)), 1)

    def measure(self) -> Prosody | None:
        """Measures the end of the utterance so far; None if there is too little voice in it."""
        self._analyse_waiting()
        first = max(0, self._count - KEPT_FRAMES)
        levels = self._levels[first : self._count]
        loudest, floor = self._level_quantile(0.95), self._level_quantile(0.05)
        usual_st = self._usual_pitch_st(loudest - SPEECH_DB)
        heard = np.flatnonzero(levels > max(floor + ABOVE_FLOOR_DB, loudest - END_DB))
        if usual_st is None or not len(heard) or heard[-1] + 1 < LEAST_FRAMES:
            return None
        end = int(heard[-1]) + 1
        levels, frames = levels[:end], slice(first, first + end)
        strengths, bands = self._strengths[frames], self._bands[frames]
        pitch_st = _semitones(track(self._hz[frames], strengths, levels < loudest - FAINT_DB))
        voiced = np.flatnonzero(~np.isnan(pitch_st))
        if len(voiced) < LEAST_VOICED:
            return None
        usual_db = self._mean_level_db(loudest - LOUD_DB)
        return Prosody(
            pitch_st=float(np.median(pitch_st[voiced[-END_FRAMES:]]) - usual_st),
            level_db=float(levels[-LEVEL_FRAMES:].mean() - usual_db),
            syllable_db=float(levels[-SYLLABLE_FRAMES:].max() - usual_db),
            periodicity=float(strengths[voiced[-LEVEL_FRAMES:], 0].mean() - np.median(strengths[voiced, 0])),
            steady_s=_steady_s(bands, pitch_st, int(voiced[-1])),
        )

    def _level_quantile(self, share: float) -> float:
        reached = np.cumsum(self._level_counts)
        return float(np.searchsorted(reached, share * reached[-1])) + _QUIETEST_DB

    def _mean_level_db(self, above_db: float) -> float:
        levels = np.arange(len(self._level_counts)) + _QUIETEST_DB
        counts = self._level_counts * (levels > above_db)
        return float(counts @ levels / max(1, counts.sum()))

    def _usual_pitch_st(self, above_db: float) -> float | None:
        first = max(0, round(above_db - _QUIETEST_DB))
        reached = np.cumsum(self._pitch_counts[first:].sum(axis=0))
        if reached[-1] < LEAST_VOICED:
            return None
        return float(np.searchsorted(reached, reached[-1] / 2)) / 4


def _semitones(hz: Floats) -> Floats:
    """Returns pitches in semitones above the lowest pitch that is measured."""
    return np.asarray(12 * np.log2(hz / LOWEST_HZ))


def _steady_s(bands: npt.NDArray[np.float32], pitch_st: Floats, last: int) -> float:
    shapes = bands - bands.mean(axis=1, keepdims=True)
    differences = shapes - shapes[max(0, last - 6) : max(1, last - 1)].mean(axis=0)
    distances = np.sqrt(differences**2 @ STEADY_WEIGHTS / STEADY_WEIGHTS.sum())
    same = (~np.isnan(pitch_st) & (distances < STEADY_DB)).tolist()
    frames = missed = 0
    for place in range(last - 1, -1, -1):
        missed = 0 if same[place] else missed + 1
        if missed > STEADY_GAP:
            break
        if same[place]:
            frames = last - place
    held = pitch_st[last - frames : last]
    held = held[~np.isnan(held)]
    if len(held) < 5:
        return 0.0
    return frames * HOP_S * float(np.exp(-((held.std() / STEADY_ST) ** 2)))
