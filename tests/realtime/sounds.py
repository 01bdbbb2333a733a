"""What a microphone hears that is not speech."""

from __future__ import annotations

import numpy as np

from voicebot.core.audio import WIRE_RATE_HZ, Audio


def noise(duration_s: float, seed: int = 0, level: float = 3000) -> Audio:
    """White noise of this root mean square."""
    samples = np.random.default_rng(seed).standard_normal(round(duration_s * WIRE_RATE_HZ)) * level
    return Audio(samples.clip(-32768, 32767).astype(np.int16), WIRE_RATE_HZ)


def cough(seed: int = 0) -> Audio:
    """Two bursts of noise that die away."""
    burst = noise(0.3, seed, 9000).samples * np.exp(-np.arange(round(0.3 * WIRE_RATE_HZ)) / (0.06 * WIRE_RATE_HZ))
    gap = np.zeros(round(0.12 * WIRE_RATE_HZ))
    return Audio(np.concatenate([burst, gap, burst]).astype(np.int16), WIRE_RATE_HZ)


def click(count: int = 5) -> Audio:
    """As of a keyboard."""
    key = np.concatenate([noise(0.01, 1, 8000).samples, np.zeros(round(0.15 * WIRE_RATE_HZ), np.int16)])
    return Audio(np.tile(key, count), WIRE_RATE_HZ)
