"""A simple voice: pulses through the formants of a vowel, with any melody, loudness and rhythm."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from voicebot.audio.sound import SPEECH_RATE_HZ, Samples

Signal = npt.NDArray[np.float64]

VOWELS = {"a": (750, 1200, 2500), "i": (300, 2200, 2900), "u": (320, 900, 2300), "m": (250, 1100, 2100)}
"""The formants in Hz; "m" stands for nasal sounds."""
BREATH = 0.01
"""The noise of the voice, as a share of its level."""


def hold(vowel: str, duration_s: float, from_hz: float, to_hz: float | None = None, level: float = 0.2) -> Signal:
    """Returns a vowel whose pitch glides evenly (in semitones), faded in and out over 20 ms. Full scale is 1."""
    count = round(duration_s * SPEECH_RATE_HZ)
    hz = np.geomspace(from_hz, to_hz or from_hz, count)
    phase = np.cumsum(hz) / SPEECH_RATE_HZ
    harmonics = np.arange(1, int(5_000 / hz.min()) + 1)[:, None]
    gains = sum(1 / (1 + ((harmonics * hz - formant) / 120) ** 2) for formant in VOWELS[vowel])
    sound = np.sum(gains * np.where(harmonics * hz < 7_500, 1, 0) * np.sin(2 * np.pi * harmonics * phase), axis=0)
    fade = min(count // 2, round(0.02 * SPEECH_RATE_HZ))
    envelope = np.ones(count)
    envelope[:fade] = np.linspace(0, 1, fade)
    envelope[count - fade :] = np.linspace(1, 0, fade)
    return np.asarray(sound / np.sqrt(np.mean(sound**2)) * envelope * level / np.sqrt(2))


def silence(duration_s: float) -> Signal:
    return np.zeros(round(duration_s * SPEECH_RATE_HZ))


def recorded(parts: Sequence[Signal], *, seed: int = 0, room: float = 3e-4) -> Samples:
    """Returns the parts one after the other in a quiet room, as int16."""
    sound = np.concatenate(parts)
    noise = np.random.default_rng(seed).standard_normal(len(sound))
    return np.asarray(np.clip((sound + room * noise) * 32767, -32768, 32767), np.int16)


def syllables(pitches_hz: Sequence[float], *, duration_s: float = 0.13, level: float = 0.2) -> list[Signal]:
    """Returns syllables of changing vowels with short consonants between them."""
    parts: list[Signal] = []
    for number, hz in enumerate(pitches_hz):
        parts += [hold("aiu"[number % 3], duration_s, hz, level=level), silence(0.06)]
    return parts
