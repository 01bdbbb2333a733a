"""A bot's voice that encodes its own position: any stretch of it can be located to the sample, even after a codec.

Needs only numpy, so that bots in other environments can speak with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.int16]
Wave = npt.NDArray[np.float64]

RATE_HZ = 48_000
LOW_HZ, HIGH_HZ = 200.0, 3_800.0
"""The band of speech. Codecs preserve it at any bit rate, and a peak of its correlation is about 6 samples wide."""

LEVEL_DBFS = -20.0
BLOCK = RATE_HZ
"""The voice is computed and cached one second at a time."""

_TAPS = 1_025
_SEED = 0x706F73


@dataclass(frozen=True, slots=True)
class Place:
    """The position in the voice at which a window of sound begins. `match` is its correlation there, 0 to 1."""

    position: int
    match: float
    runner_up: float
    """The best correlation more than a millisecond away."""

    @property
    def sharpness(self) -> float:
        """Returns how far the best match stands out. It is near 0 for sound that is not the voice."""
        return self.match - self.runner_up


def voice(start: int, count: int) -> Samples:
    """Returns `count` samples of the voice from absolute position `start`: int16 of shape (count,), 48 kHz."""
    first, last = start // BLOCK, (start + max(count, 1) - 1) // BLOCK
    blocks = np.concatenate([_block(index) for index in range(first, last + 1)])
    return blocks[start - first * BLOCK :][:count]


def locate(window: Samples, first: int, last: int) -> Place:
    """Returns where between positions `first` and `last` this window (60 ms or more) begins. A fade does no harm."""
    wave = window.astype(np.float64)
    best = Place(first, 0.0, 0.0)
    step = 8 * BLOCK
    for start in range(first, max(last, first + 1), step):
        best = _better(best, _locate(wave, start, min(step, max(last - start, 1))))
    return best


def locate_among(window: Samples, ranges: Sequence[tuple[int, int]], enough: float = 0.5) -> Place:
    """Locates the window in several ranges. Returns the first match of at least `enough`, otherwise the best of all."""
    best = Place(0, 0.0, 0.0)
    for first, last in ranges:
        best = _better(best, locate(window, first, last))
        if best.match >= enough:
            break
    return best


def gains(sound: Samples, position: int, width: int = 48) -> Wave:
    """Returns how loud the voice from `position` on is in `sound`: one factor per `width` samples, 1 if unchanged."""
    count = len(sound) // width
    heard = sound[: count * width].astype(np.float64).reshape(count, width)
    said = voice(position, count * width).astype(np.float64).reshape(count, width)
    return np.asarray(np.sum(heard * said, axis=1) / np.sum(said * said, axis=1))


def _locate(wave: Wave, start: int, places: int) -> Place:
    """Correlates the wave with the voice (normalised) at each of `places` positions from `start` on."""
    said = voice(start, places + len(wave) - 1).astype(np.float64)
    size = 1 << (len(said) + len(wave) - 2).bit_length()
    product = np.fft.irfft(np.fft.rfft(said, size) * np.conj(np.fft.rfft(wave, size)), size)[:places]
    energy = np.cumsum(np.concatenate([[0.0], said * said]))
    norms = np.sqrt((energy[len(wave) :] - energy[: -len(wave)]) * np.dot(wave, wave))
    match = product / np.maximum(norms, 1.0)
    best = int(np.argmax(match))
    near = RATE_HZ // 1000
    others = np.concatenate([match[: max(0, best - near)], match[best + near :]])
    return Place(start + best, float(match[best]), float(others.max(initial=0.0)))


def _better(one: Place, other: Place) -> Place:
    best, worse = (one, other) if one.match >= other.match else (other, one)
    near = abs(best.position - worse.position) <= RATE_HZ // 1000
    return Place(best.position, best.match, best.runner_up if near else max(best.runner_up, worse.match))


@lru_cache(maxsize=1_200)
def _block(index: int) -> Samples:
    """Returns one second of the voice: white noise that depends on the position, through a band-pass filter."""
    noise = np.concatenate([_noise(index), _noise(index + 1)[: _TAPS - 1]])
    size = 1 << (len(noise) - 1).bit_length()
    wave = np.fft.irfft(np.fft.rfft(noise, size) * np.fft.rfft(_band_pass(), size), size)[_TAPS - 1 :][:BLOCK]
    block = np.round(wave).astype(np.int16)
    block.flags.writeable = False
    return block


@lru_cache(maxsize=8)
def _noise(index: int) -> Wave:
    """Returns uniform noise from a generator whose raw numbers are the same in every version of numpy."""
    raw = np.random.Philox(key=[_SEED, index]).random_raw(BLOCK // 4)
    return raw.astype("<u8").view("<i2").astype(np.float64)


@lru_cache(maxsize=1)
def _band_pass() -> Wave:
    """Returns a windowed sinc (Hamming), scaled to the level of the voice."""
    time = np.arange(_TAPS) - _TAPS // 2
    low, high = 2 * LOW_HZ / RATE_HZ, 2 * HIGH_HZ / RATE_HZ
    taps = (high * np.sinc(high * time) - low * np.sinc(low * time)) * np.hamming(_TAPS)
    noise_rms = 32_768 / np.sqrt(3)
    wanted_rms = 32_768 * 10 ** (LEVEL_DBFS / 20)
    return np.asarray(taps * wanted_rms / (noise_rms * np.sqrt(np.sum(taps * taps))))
