"""Changes the sound of a voice as on its way to the recogniser: pitch, room, noise, telephone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import numpy as np
import numpy.typing as npt
import soxr

from voicebot.audio.sound import Samples

RATE_HZ = 16_000

Sound = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Condition:
    """How a clip is changed. A field that is None changes nothing."""

    name: str = "clean"
    noise_db: float | None = None
    """The signal-to-noise ratio."""
    room_s: float | None = None
    """The reverberation time (RT60)."""
    telephone: bool = False


CLEAN = Condition()
NOISE_10_DB = Condition("noise 10 dB", noise_db=10.0)
ROOM = Condition("room", room_s=0.4)
TELEPHONE = Condition("telephone", telephone=True)
HELD_OUT = (CLEAN, NOISE_10_DB, ROOM, TELEPHONE)


def random_condition(rng: np.random.Generator) -> Condition:
    """Returns no change for 40 % of all clips, else a room, noise, a telephone, or several of them."""
    if rng.random() < 0.4:
        return CLEAN
    return Condition(
        "mixed",
        noise_db=float(rng.uniform(5, 30)) if rng.random() < 0.6 else None,
        room_s=float(rng.uniform(0.15, 0.8)) if rng.random() < 0.4 else None,
        telephone=bool(rng.random() < 0.25),
    )


def in_turn(conditions: Sequence[Condition]) -> Callable[[np.random.Generator], Condition]:
    """Replaces `random_condition`: gives the conditions in turn, over and over."""
    following = cycle(conditions)
    return lambda _: next(following)


def always(condition: Condition) -> Callable[[np.random.Generator], Condition]:
    """Replaces `random_condition`: gives each clip the same condition."""
    return lambda _: condition


def bent(sound: Sound, rng: np.random.Generator, amount: float = 0.2) -> Sound:
    """Changes pitch, vocal tract and melody: plays the sound at another speed that varies by up to `amount`."""
    base = float(np.exp(rng.uniform(-amount, amount)))
    speed = base * np.exp(np.interp(np.linspace(0, 1, len(sound)), [0, 0.3, 0.6, 1], rng.normal(0, amount / 2, 4)))
    places = np.cumsum(speed)
    at = np.arange(0.0, places[-1] - 1)
    return np.asarray(np.interp(np.interp(at, places, np.arange(len(sound))), np.arange(len(sound)), sound))


def recorded(sound: Sound, condition: Condition, rng: np.random.Generator) -> Samples:
    """Returns the recorded sound, at a random level, with up to 0.3 s before and after the speech."""
    sound = trimmed(np.asarray(sound, np.float64))
    sound = sound / max(1e-9, float(np.abs(sound).max()))
    if condition.room_s is not None:
        sound = reverberant(sound, condition.room_s, rng)
    before, after = (int(rng.uniform(0.05, 0.3) * RATE_HZ) for _ in range(2))
    speech_power = float(np.mean(np.square(sound)))
    sound = np.pad(sound, (before, after))
    if condition.noise_db is not None:
        noise = random_noise(len(sound), rng)
        sound = sound + noise * np.sqrt(speech_power / np.mean(np.square(noise)) / 10 ** (condition.noise_db / 10))
    sound = over_telephone(sound) if condition.telephone else sound + rng.normal(0, 1e-4, len(sound))
    level = 10 ** (float(rng.uniform(-26, -1)) / 20) / max(1e-9, float(np.abs(sound).max()))
    return np.asarray(np.clip(np.round(sound * level * 32_767), -32_768, 32_767), np.int16)


def trimmed(sound: Sound, below_db: float = 35.0) -> Sound:
    """Returns the sound without the silence at both ends."""
    if not len(sound):
        return sound
    size = RATE_HZ // 100
    power = np.square(sound[: len(sound) // size * size]).reshape(-1, size).mean(axis=1)
    loud = np.flatnonzero(power > power.max(initial=0.0) * 10 ** (-below_db / 10))
    return sound[int(loud[0]) * size : (int(loud[-1]) + 1) * size] if len(loud) else sound


def reverberant(sound: Sound, room_s: float, rng: np.random.Generator) -> Sound:
    """Returns the sound in a room, whose impulse response is the direct sound and noise that fades."""
    length = round(room_s * RATE_HZ)
    tail = rng.standard_normal(length) * 10 ** (-3 * np.arange(length) / length)
    tail[: int(0.002 * RATE_HZ)] = 0
    tail *= np.sqrt(10 ** (float(rng.uniform(-8, 2)) / 10) / np.sum(np.square(tail)))
    tail[0] = 1.0
    size = 1 << (len(sound) + length).bit_length()
    heard = np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(tail, size), size)[: len(sound) + length // 2]
    return np.asarray(heard)


def random_noise(length: int, rng: np.random.Generator) -> Sound:
    """Returns steady or swelling noise that falls by 0 to 9 dB an octave, sometimes with mains hum."""
    spectrum = np.fft.rfft(rng.standard_normal(length))
    hz = np.maximum(np.fft.rfftfreq(length, 1 / RATE_HZ), 60.0)
    noise = np.fft.irfft(spectrum * (hz / 1_000) ** (-float(rng.uniform(0, 1.5))), length)
    if rng.random() < 0.3:
        noise = noise * np.exp(np.interp(np.linspace(0, 1, length), np.linspace(0, 1, 5), rng.normal(0, 0.5, 5)))
    if rng.random() < 0.2:
        mains = float(rng.choice([50.0, 60.0]))
        time_s = np.arange(length) / RATE_HZ
        tones = sum(np.sin(2 * np.pi * mains * k * time_s) / k for k in (1, 2, 3, 5))
        noise = noise / noise.std() + float(rng.uniform(0.2, 1.0)) * np.asarray(tones)
    return np.asarray(noise)


def over_telephone(sound: Sound) -> Sound:
    """Returns the sound as a telephone carries it: 300 to 3,400 Hz, 8-bit mu-law at 8 kHz."""
    narrow = np.asarray(soxr.resample(sound, RATE_HZ, 8_000), np.float64)
    spectrum = np.fft.rfft(narrow)
    hz = np.fft.rfftfreq(len(narrow), 1 / 8_000)
    spectrum *= 1 / np.sqrt(1 + (300 / np.maximum(hz, 1.0)) ** 8) / np.sqrt(1 + (hz / 3_400) ** 16)
    narrow = np.fft.irfft(spectrum, len(narrow))
    peak = max(1e-9, float(np.abs(narrow).max()))
    coded = np.round(np.sign(narrow) * np.log1p(255 * np.abs(narrow / peak)) / np.log(256) * 127) / 127
    narrow = np.sign(coded) * (256 ** np.abs(coded) - 1) / 255 * peak
    return np.asarray(soxr.resample(narrow, 8_000, RATE_HZ), np.float64)
