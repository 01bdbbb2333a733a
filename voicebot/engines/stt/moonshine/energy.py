"""Finds speech and silence in a sound by the energy of each step of 10 ms. All lengths and places are in steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from voicebot.audio.sound import SPEECH_RATE_HZ, Samples

HOP = SPEECH_RATE_HZ // 100
"""The samples of one step."""

SPEECH_DB = 25.0
"""Sound that is below the loudest step by more than this is no speech."""

NOISE_DB = 6.0
"""Sound that is louder than the room's noise by less than this is noise, too."""

LOUD_DB = 12.0
"""Sound that is below the loudest step by less than this is speech whatever the noise: the detector may err."""

_CUT_STEPS = 16
"""Where there is no silence, a sound is cut in its quietest 160 ms: longer than the closure of most plosives."""

Energies = npt.NDArray[np.float32]
"""The mean square of each step."""


@dataclass(frozen=True, slots=True)
class StepSpan:
    """The steps from `start` up to `end`, which is not included."""

    start: int
    end: int

    @property
    def length(self) -> int:
        return self.end - self.start


def energies(samples: Samples) -> Energies:
    """Returns the energies of the whole steps."""
    frames = samples[: len(samples) // HOP * HOP].reshape(-1, HOP).astype(np.float32)
    squares: Energies = np.mean(np.square(frames), axis=1)
    return squares


def speech_threshold(energy: Energies, noise: float) -> float:
    """Returns the energy above which a step may be speech. `noise` is the mean square of the room's noise."""
    loudest = float(energy.max(initial=0.0))
    noisy = min(noise * 10 ** (NOISE_DB / 10), loudest * 10 ** (-LOUD_DB / 10))
    return max(loudest * 10 ** (-SPEECH_DB / 10), noisy)


def speech_span(energy: Energies, noise: float) -> StepSpan | None:
    """Returns the span from the first to the last speech; None if there is none."""
    places = np.flatnonzero(energy > speech_threshold(energy, noise))
    return StepSpan(int(places[0]), int(places[-1]) + 1) if len(places) else None


def has_speech(energy: Energies, noise: float, start: int, length: int) -> bool:
    """Returns whether there is speech of this length after `start`. Single loud steps are not enough."""
    following = energy[start:]
    if len(following) < length:
        return False
    means = np.convolve(following, np.full(length, 1 / length, np.float32), "valid")
    return bool(means.max() > speech_threshold(energy, noise))


def silences(energy: Energies, noise: float, earliest: int, length: int) -> list[StepSpan]:
    """Returns the silences after speech that are at least this long, counted from `earliest` on."""
    speech = np.flatnonzero(energy > speech_threshold(energy, noise))
    starts, ends = speech + 1, np.append(speech[1:], len(energy))
    starts = np.maximum(starts, earliest)
    found = np.flatnonzero(ends - starts >= length) if len(speech) else ()
    return [StepSpan(int(starts[place]), int(ends[place])) for place in found]


def quietest_place(energy: Energies, earliest: int) -> int:
    """Returns the middle of the quietest 160 ms from `earliest` on."""
    sums = np.convolve(energy[earliest:], np.ones(_CUT_STEPS, np.float32), "valid")
    return earliest + int(np.argmin(sums)) + _CUT_STEPS // 2
