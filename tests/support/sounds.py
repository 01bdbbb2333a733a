"""Synthetic sounds for tests."""

from __future__ import annotations

import math

import numpy as np

from voicebot.audio.sound import WIRE_RATE_HZ, Audio

TONE_HZ = 400


def tone(duration_s: float) -> Audio:
    """Returns a steady tone at 48 kHz, about -15 dBFS."""
    time_s = np.arange(round(duration_s * WIRE_RATE_HZ)) / WIRE_RATE_HZ
    return Audio((8000 * np.sin(2 * np.pi * TONE_HZ * time_s)).astype(np.int16), WIRE_RATE_HZ)


def babble(duration_s: float, seed: int = 0) -> Audio:
    """Returns syllables without words at 48 kHz: a voice whose pitch and formants change."""
    chance = np.random.default_rng(seed)
    time_s = np.arange(round(0.18 * WIRE_RATE_HZ)) / WIRE_RATE_HZ
    pieces = []
    for _ in range(math.ceil(duration_s / 0.18)):
        pitch_hz = chance.uniform(90, 130) + chance.uniform(-150, 150) * time_s
        formants_hz = chance.uniform((300, 900, 2_200), (800, 2_000, 3_000))
        phase = 2 * np.pi * np.cumsum(pitch_hz) / WIRE_RATE_HZ
        numbers = np.arange(1, 35)
        distances = (numbers[:, None] * 110 - formants_hz) / 120
        levels = np.exp(-0.5 * distances**2).sum(axis=1) + 0.02
        voice = (levels[:, None] * np.sin(numbers[:, None] * phase)).sum(axis=0)
        pieces.append(voice * np.sin(np.pi * time_s / 0.18))
    sound = np.concatenate(pieces)[: round(duration_s * WIRE_RATE_HZ)]
    return Audio((sound / np.abs(sound).max() * 12_000).astype(np.int16), WIRE_RATE_HZ)


def noise(duration_s: float, seed: int = 0, level: float = 3000) -> Audio:
    """Returns white noise whose root mean square is `level`."""
    samples = np.random.default_rng(seed).standard_normal(round(duration_s * WIRE_RATE_HZ)) * level
    return Audio(samples.clip(-32768, 32767).astype(np.int16), WIRE_RATE_HZ)


def cough(seed: int = 0) -> Audio:
    """Returns two bursts of noise that die away."""
    burst = noise(0.3, seed, 9000).samples * np.exp(-np.arange(round(0.3 * WIRE_RATE_HZ)) / (0.06 * WIRE_RATE_HZ))
    gap = np.zeros(round(0.12 * WIRE_RATE_HZ))
    return Audio(np.concatenate([burst, gap, burst]).astype(np.int16), WIRE_RATE_HZ)


def click(count: int = 5) -> Audio:
    """Returns the clicks of a keyboard."""
    key = np.concatenate([noise(0.01, 1, 8000).samples, np.zeros(round(0.15 * WIRE_RATE_HZ), np.int16)])
    return Audio(np.tile(key, count), WIRE_RATE_HZ)
