"""Where in a sound somebody speaks, and where it may be cut: by the energy of each 10 ms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from voicebot.audio.sound import SPEECH_RATE_HZ, Samples
from voicebot.engines.stt.confidence import SPEECH_DB

HOP = SPEECH_RATE_HZ // 100
"""The samples of 10 ms. All lengths and places in this module are counted in these steps."""

NOISE_DB = 6.0
"""Sound that is louder than the room's noise by less than this is noise, too."""

LOUD_DB = 12.0
"""Sound less than this below the loudest 10 ms is speech, whatever came before the pause: detectors err."""

_QUIET = 16
"""Where there is no silence, a sound is cut in the quietest 160 ms: longer than a stop inside most words."""

Energies = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Span:
    """From which step to which; the end is not included."""

    start: int
    end: int

    @property
    def length(self) -> int:
        return self.end - self.start


def energies(samples: Samples) -> Energies:
    """Returns the mean square of each whole step."""
    frames = samples[: len(samples) // HOP * HOP].reshape(-1, HOP).astype(np.float32)
    squares: Energies = np.mean(np.square(frames), axis=1)
    return squares


def threshold(energy: Energies, noise: float) -> float:
    """Returns the energy above which a step may be speech, where the room's noise has this mean square."""
    loudest = float(energy.max(initial=0.0))
    noisy = min(noise * 10 ** (NOISE_DB / 10), loudest * 10 ** (-LOUD_DB / 10))
    return max(loudest * 10 ** (-SPEECH_DB / 10), noisy)


def speech_span(energy: Energies, noise: float) -> Span | None:
    """Returns from where to where somebody speaks, pauses included; None if nobody does."""
    places = np.flatnonzero(energy > threshold(energy, noise))
    return Span(int(places[0]), int(places[-1]) + 1) if len(places) else None


def speaks_on(energy: Energies, noise: float, start: int, length: int) -> bool:
    """Whether there is speech of this length from `start` on: single loud steps are not enough."""
    following = energy[start:]
    if len(following) < length:
        return False
    means = np.convolve(following, np.full(length, 1 / length, np.float32), "valid")
    return bool(means.max() > threshold(energy, noise))


def gaps(energy: Energies, noise: float, earliest: int, length: int) -> list[Span]:
    """Returns the silences after speech that are at least this long behind `earliest`."""
    speech = np.flatnonzero(energy > threshold(energy, noise))
    starts, ends = speech + 1, np.append(speech[1:], len(energy))
    starts = np.maximum(starts, earliest)
    found = np.flatnonzero(ends - starts >= length) if len(speech) else ()
    return [Span(int(starts[place]), int(ends[place])) for place in found]


def quietest_place(energy: Energies, earliest: int) -> int:
    """Returns the middle of the quietest 160 ms from `earliest` on."""
    sums = np.convolve(energy[earliest:], np.ones(_QUIET, np.float32), "valid")
    return earliest + int(np.argmin(sums)) + _QUIET // 2
