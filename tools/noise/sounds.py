"""Synthesizes sounds that are not speech, such as a microphone picks up where somebody talks to a bot."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.signal import lfilter

RATE_HZ = 16_000
HIGHEST_HZ = 7_900.0

Sound = npt.NDArray[np.floating[Any]]
Rng = np.random.Generator


def steady(rng: Rng) -> Sound:
    """Noise whose spectrum falls evenly, from white to brown."""
    return _coloured(_length(rng), rng, float(rng.uniform(0, 2)))


def band(rng: Rng) -> Sound:
    """Noise of one frequency band, steady or swelling."""
    length = _length(rng)
    return _band(length, rng) * (_swell(length, rng) if rng.random() < 0.5 else 1.0)


def wind(rng: Rng) -> Sound:
    """Swelling noise of low frequencies, like wind in the microphone or passing cars."""
    length = _length(rng, 0.5)
    return _coloured(length, rng, float(rng.uniform(1, 2))) * _swell(length, rng)


def fan(rng: Rng) -> Sound:
    """Noise with a low tone and its harmonics, like fans, vacuum cleaners and mains hum."""
    length = _length(rng, 0.5)
    noise = _coloured(length, rng, float(rng.uniform(0.5, 1.2)))
    tone = _harmonics(np.full(length, float(rng.uniform(40, 180))), 1.0, 6)
    return noise / noise.std() + tone / tone.std() * float(rng.uniform(0.2, 1.5))


def hits(rng: Rng) -> Sound:
    """Bursts of noise or of some tones that die away, like doors, cups and claps."""
    length = _length(rng, 0.4, 3)
    sound = rng.standard_normal(length) * 1e-3
    for _ in range(int(rng.integers(1, 9))):
        start = int(rng.integers(0, length))
        size = min(int(rng.uniform(0.02, 0.4) * RATE_HZ), length - start)
        if rng.random() < 0.7:
            hit = _band(size, rng)
        else:
            hit = sum(np.sin(2 * np.pi * float(rng.uniform(150, 5_000)) * _time(size)) for _ in range(4)) + 0.0
        decay_s = float(rng.uniform(0.01, 0.15))
        sound[start : start + size] += _normalised(hit) * _burst(size, 0.002, decay_s) * float(rng.uniform(0.3, 1))
    return sound


def keys(rng: Rng) -> Sound:
    """Short clicks in a row, like typing."""
    length = _length(rng, 0.6, 3)
    sound = rng.standard_normal(length) * 1e-3
    start = 0
    while start < length - 400:
        size = min(int(rng.uniform(0.004, 0.025) * RATE_HZ), length - start)
        key = _normalised(_band(size, rng, 1_000, 7_000)) * _burst(size, 0.0005, 0.005)
        sound[start : start + size] += key * float(rng.uniform(0.3, 1))
        start += int(rng.uniform(0.06, 0.35) * RATE_HZ)
    return sound


def cough(rng: Rng) -> Sound:
    """One to three bursts of breath through a vocal tract, sometimes with some voice in them."""
    parts = []
    tract_scale = float(rng.uniform(0.85, 1.2))
    formants = [float(rng.uniform(*each)) * tract_scale for each in ((450, 800), (1_100, 1_700), (2_300, 3_000))]
    for _ in range(int(rng.integers(1, 4))):
        size = int(rng.uniform(0.12, 0.4) * RATE_HZ)
        breath = rng.standard_normal(size)
        burst = _normalised(_through_vocal_tract(breath, formants)) + 0.15 * _normalised(breath)
        if rng.random() < 0.5:
            fold = np.sign(_harmonics(float(rng.uniform(90, 260)) * (1 - 0.6 * _time(size)), 1.0, 1))
            voiced = fold * np.exp(-np.square((_time(size) - 0.15) / 0.08))
            burst = burst + float(rng.uniform(0.2, 1)) * _normalised(_through_vocal_tract(voiced, formants))
        parts.append(
            _normalised(burst * _burst(size, 0.004, float(rng.uniform(0.05, 0.12)))) * float(rng.uniform(0.5, 1))
        )
        parts.append(np.zeros(int(rng.uniform(0.04, 0.3) * RATE_HZ)))
    return np.concatenate(parts)


def breath(rng: Rng) -> Sound:
    """One swell of noise, like a sigh, a sneeze, or breath on the microphone."""
    length = _length(rng, 0.3, 1.5)
    shape = np.sin(np.pi * np.linspace(0, 1, length)) ** float(rng.uniform(0.5, 3))
    return _band(length, rng, float(rng.uniform(300, 1_500)), 7_000) * shape


def tone(rng: Rng) -> Sound:
    """A whistle or a beep: one frequency, on and off, or sliding."""
    length = _length(rng, 0.2, 3)
    hz = np.full(length, float(np.exp(rng.uniform(np.log(100), np.log(4_000)))))
    time_s = _time(length)
    if rng.random() < 0.3:
        hz *= 2 ** (np.sin(2 * np.pi * float(rng.uniform(0.3, 6)) * time_s) * float(rng.uniform(0.1, 0.9)))
    sound = _harmonics(hz, 1.0, 1)
    if rng.random() < 0.5:
        sound = sound * (np.sin(2 * np.pi * float(rng.uniform(1, 12)) * time_s) > float(rng.uniform(-0.5, 0.5)))
    return sound


def horn(rng: Rng) -> Sound:
    """A car's horn: one or two tones with many harmonics."""
    length = _length(rng, 0.2, 2)
    sound = np.zeros(length)
    for _ in range(1 if rng.random() < 0.3 else 2):
        sound += _harmonics(np.full(length, float(rng.uniform(250, 700))), float(rng.uniform(0.3, 1.2)), 12)
    edges = np.minimum(_time(length) / 0.03, (length / RATE_HZ - _time(length)) / 0.05)
    return sound * np.clip(edges, 0, 1)


def siren(rng: Rng) -> Sound:
    """A tone with harmonics that rises and falls."""
    length = _length(rng, 0.8)
    wave = np.sin(2 * np.pi * float(rng.uniform(0.2, 3)) * _time(length))
    return _harmonics(float(rng.uniform(500, 900)) * 2 ** (float(rng.uniform(0.3, 1)) * wave), 1.0, 6)


def ring(rng: Rng) -> Sound:
    """Phones, bells and alarms: two alternating tones, a melody of soft tones, or bells."""
    length = _length(rng, 0.4, 3)
    kind = int(rng.integers(3))
    if kind == 0:
        high = np.sin(2 * np.pi * float(rng.uniform(8, 25)) * _time(length)) > 0
        return _harmonics(np.where(high, float(rng.uniform(350, 1_200)), float(rng.uniform(400, 2_500))), 1.0, 1)
    sound = np.zeros(length)
    step = int(rng.uniform(0.08, 0.5) * RATE_HZ) if kind == 1 else int(rng.uniform(0.2, 1.5) * RATE_HZ)
    root = float(rng.uniform(300, 900)) if kind == 1 else float(rng.uniform(500, 3_000))
    decay_s = float(rng.uniform(0.05, 0.4)) if kind == 1 else float(rng.uniform(0.2, 1))
    for start in range(0, length, step):
        time_s = _time(length - start)
        if kind == 1:
            hz = root * 2 ** (float(rng.choice(MAJOR)) / 12)
            partials = sum(np.sin(2 * np.pi * hz * k * time_s) / k**2 for k in range(1, 5) if hz * k < HIGHEST_HZ)
            sound[start:] += partials * np.exp(-time_s / decay_s)
        else:
            for ratio in (1.0, 2.76, 5.4):
                if root * ratio < HIGHEST_HZ:
                    sound[start:] += np.sin(2 * np.pi * root * ratio * time_s) * np.exp(-time_s * ratio / decay_s)
    return sound


def music(rng: Rng) -> Sound:
    """Chords and melodies of an instrument, often with drums."""
    length = _length(rng, 0.8)
    sound = np.zeros(length)
    root, beat = float(rng.uniform(90, 260)), int(rng.uniform(0.15, 0.6) * RATE_HZ)
    scale = MAJOR if rng.random() < 0.5 else MINOR
    brightness, decay_s = float(rng.uniform(0.5, 2.2)), float(rng.uniform(0.1, 2))
    for start in range(0, length, beat):
        for _ in range(int(rng.integers(1, 4))):
            size = min(length - start, int(beat * float(rng.uniform(1, 3))))
            time_s = _time(size)
            trembling = 1 + 0.006 * np.sin(2 * np.pi * 5.5 * time_s) * (rng.random() < 0.4)
            hz = root * 2 ** (float(rng.choice(scale)) / 12 + float(rng.integers(0, 3))) * trembling
            note = _harmonics(hz, brightness, 10) * np.exp(-time_s / decay_s) * np.minimum(1, time_s / 0.01)
            sound[start : start + size] += note
        if rng.random() < 0.5:
            size = min(length - start, int(0.15 * RATE_HZ))
            drum = _normalised(_band(size, rng)) * _burst(size, 0.002, 0.04)
            sound[start : start + size] += drum * float(rng.uniform(1, 4))
    return sound


def bark(rng: Rng) -> Sound:
    """A barking dog."""
    parts = []
    for _ in range(int(rng.integers(1, 5))):
        size = int(rng.uniform(0.1, 0.35) * RATE_HZ)
        rise = np.sin(np.pi * np.linspace(0, 1, size))
        voice = _harmonics(float(rng.uniform(150, 700)) * (1 + 0.6 * rise), 0.7, 12) * rise**0.6
        rough = voice + float(rng.uniform(0.3, 1.5)) * rng.standard_normal(size) * np.abs(voice).mean()
        formants = [float(rng.uniform(600, 1_200)), float(rng.uniform(1_300, 2_500))]
        parts.append(_normalised(_through_vocal_tract(rough, formants)))
        parts.append(np.zeros(int(rng.uniform(0.08, 0.5) * RATE_HZ)))
    return np.concatenate(parts)


def clicks(rng: Rng) -> Sound:
    """Single steps of the signal, like a loose contact."""
    length = _length(rng, 0.2, 2)
    sound = rng.standard_normal(length) * 1e-3
    for _ in range(int(rng.integers(1, 12))):
        start = int(rng.integers(0, length))
        sound[start : start + int(rng.integers(1, 40))] = float(rng.choice([-1, 1])) * float(rng.uniform(0.2, 1))
    return sound


KINDS: Mapping[str, Callable[[Rng], Sound]] = {
    each.__name__: each
    for each in (steady, band, wind, fan, hits, keys, cough, breath, tone, horn, siren, ring, music, bark, clicks)
}

MAJOR = np.array([0, 2, 4, 5, 7, 9, 11, 12])
MINOR = np.array([0, 2, 3, 5, 7, 8, 10, 12])


def _length(rng: Rng, shortest_s: float = 0.3, longest_s: float = 4.0) -> int:
    return int(np.exp(rng.uniform(np.log(shortest_s), np.log(longest_s))) * RATE_HZ)


def _time(length: int) -> Sound:
    return np.arange(length) / RATE_HZ


def _normalised(sound: Sound) -> Sound:
    return sound / (np.abs(sound).max(initial=0.0) + 1e-9)


def _burst(length: int, attack_s: float, decay_s: float) -> Sound:
    return np.minimum(_time(length) / attack_s, 1) * np.exp(-_time(length) / decay_s)


def _swell(length: int, rng: Rng) -> Sound:
    points = int(rng.integers(3, 4 + length // 4_000))
    places = np.linspace(0, 1, points)
    return np.asarray(np.exp(np.interp(np.linspace(0, 1, length), places, rng.normal(0, 0.8, points))))


def _coloured(length: int, rng: Rng, slope: float) -> Sound:
    spectrum = np.fft.rfft(rng.standard_normal(length))
    hz = np.maximum(np.fft.rfftfreq(length, 1 / RATE_HZ), 30.0)
    return np.asarray(np.fft.irfft(spectrum * (hz / 1_000) ** -slope, length))


def _band(length: int, rng: Rng, low_hz: float | None = None, high_hz: float | None = None) -> Sound:
    if low_hz is None:
        low_hz = float(np.exp(rng.uniform(np.log(50), np.log(3_000))))
    if high_hz is None:
        high_hz = min(HIGHEST_HZ, low_hz * float(np.exp(rng.uniform(0.3, 2.5))))
    spectrum = np.fft.rfft(rng.standard_normal(length))
    hz = np.maximum(np.fft.rfftfreq(length, 1 / RATE_HZ), 1.0)
    spectrum /= np.sqrt(1 + (low_hz / hz) ** 8) * np.sqrt(1 + (hz / high_hz) ** 8)
    return np.asarray(np.fft.irfft(spectrum, length))


def _harmonics(hz: Sound, slope: float, count: int) -> Sound:
    """Returns a tone and its harmonics, each softer than the one before. `hz` holds the frequency of each sample."""
    phase = 2 * np.pi * np.cumsum(hz) / RATE_HZ
    highest = float(np.max(hz, initial=1.0))
    numbers = [number for number in range(1, count + 1) if number == 1 or number * highest < HIGHEST_HZ]
    return np.asarray(sum(np.sin(phase * number) / number**slope for number in numbers) + np.zeros(len(hz)))


def _through_vocal_tract(sound: Sound, formants: list[float]) -> Sound:
    """Returns the sound as it leaves a vocal tract that resonates at these frequencies."""
    for number, hz in enumerate(formants):
        radius = np.exp(-np.pi * (200 + 100 * number) / RATE_HZ)
        sound = lfilter([1 - radius], [1, -2 * radius * np.cos(2 * np.pi * hz / RATE_HZ), radius * radius], sound)
    return np.asarray(sound)
