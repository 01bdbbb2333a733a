"""Sounds made up for tests."""

from __future__ import annotations

import numpy as np

from voicebot.core.audio import WIRE_RATE_HZ, Audio

TONE_HZ = 400


def tone(duration_s: float) -> Audio:
    """A steady tone at 48 kHz, about -15 dBFS."""
    time_s = np.arange(round(duration_s * WIRE_RATE_HZ)) / WIRE_RATE_HZ
    return Audio((8000 * np.sin(2 * np.pi * TONE_HZ * time_s)).astype(np.int16), WIRE_RATE_HZ)
