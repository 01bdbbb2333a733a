"""Voices for simulated services."""

from __future__ import annotations

from functools import cache

import numpy as np

from voicebot.audio.sound import Audio
from voicebot.engines.tts.espeak_worker import EspeakSynthesizer
from voicebot.engines.worker.messages import Value

LETTER_S = 0.06
"""The approximate time that a letter takes in speech."""

VOICE = "en-us"

TONE_HZ = 440
LEVEL_DBFS = -15.0


def tone_of(text: str) -> Audio:
    """Returns a tone at 24 kHz that lasts as long as saying the text would take, and fades in and out."""
    rate_hz = 24_000
    time_s = np.arange(round(len(text) * LETTER_S * rate_hz)) / rate_hz
    wave = np.sin(2 * np.pi * TONE_HZ * time_s) * 32_768 * np.sqrt(2) * 10 ** (LEVEL_DBFS / 20)
    ramp = np.clip(np.minimum(time_s, time_s[::-1]) / 0.01, 0, 1)
    return Audio((wave * ramp).astype(np.int16), rate_hz)


def espeak_of(text: str) -> Audio:
    """Returns the text as espeak-ng speaks it, at 22,050 Hz."""
    heard = _Heard()
    _espeak().speak(text, VOICE, heard)
    return Audio.joined(heard.pieces, _espeak().rate_hz)


class _Heard:
    """Stands in for the worker's parent and keeps the sound."""

    def __init__(self) -> None:
        self.pieces: list[Audio] = []

    def send(self, fields: dict[str, Value], body: bytes = b"") -> None:
        if isinstance(rate_hz := fields.get("rate_hz"), int):
            self.pieces.append(Audio.from_bytes(body, rate_hz))


@cache
def _espeak() -> EspeakSynthesizer:
    return EspeakSynthesizer(VOICE, words_per_minute=160, pitch=50, pitch_range=50)
