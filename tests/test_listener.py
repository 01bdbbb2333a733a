from __future__ import annotations

import numpy as np
import pytest

from tests.support.engines import LoudnessVad, loud
from voicebot.core.audio import Audio
from voicebot.core.endpoint import EndpointRules
from voicebot.core.events import SpeechEnded, SpeechStarted
from voicebot.listener import PRE_ROLL_S, Listener


class Ear:
    def __init__(self) -> None:
        self.edges: list[SpeechStarted | SpeechEnded] = []
        self.sound: dict[int, list[Audio]] = {}
        self.listener = Listener(
            LoudnessVad(), EndpointRules(), started=self.edges.append, sound=self._sound, ended=self.edges.append
        )

    def _sound(self, utterance: int, audio: Audio) -> None:
        self.sound.setdefault(utterance, []).append(audio)

    def hear(self, audio: Audio, piece_s: float = 0.02) -> None:
        size = round(piece_s * audio.rate_hz)
        for start in range(0, len(audio.samples), size):
            self.listener.hear(Audio(audio.samples[start : start + size], audio.rate_hz))

    def utterance(self, number: int) -> Audio:
        return Audio.joined(self.sound[number], 16_000)


@pytest.mark.parametrize("rate_hz", [48_000, 44_100, 16_000, 8_000])
@pytest.mark.parametrize("piece_s", [0.01, 0.02, 0.5])
def test_speech_in_silence_is_one_utterance_whole(rate_hz: int, piece_s: float) -> None:
    ear = Ear()
    ear.hear(Audio.silence(1, rate_hz), piece_s)
    ear.hear(loud(1.0, rate_hz), piece_s)
    ear.hear(Audio.silence(1, rate_hz), piece_s)
    started, ended = ear.edges
    assert started == SpeechStarted(1)
    assert isinstance(ended, SpeechEnded)
    assert ended.silence_s == pytest.approx(0.512)
    sound = ear.utterance(1)
    is_loud = np.abs(sound.samples) > 500
    assert is_loud.sum() / 16_000 == pytest.approx(0.96, abs=0.05), "all of the speech"
    lead_s = int(np.argmax(is_loud)) / 16_000
    assert lead_s == pytest.approx(PRE_ROLL_S, abs=0.04), "and what came right before it"


def test_two_utterances_share_no_sound() -> None:
    ear = Ear()
    for _ in range(2):
        ear.hear(loud(0.5))
        ear.hear(Audio.silence(0.55, 48_000))
    ear.hear(Audio.silence(0.5, 48_000))
    assert [edge.utterance for edge in ear.edges] == [1, 1, 2, 2]
    total_s = ear.utterance(1).duration_s + ear.utterance(2).duration_s
    assert total_s <= 2 * 1.05 + PRE_ROLL_S


def test_the_rate_may_change() -> None:
    ear = Ear()
    ear.hear(loud(0.5, 48_000))
    ear.hear(loud(0.5, 16_000))
    ear.hear(Audio.silence(1, 16_000))
    assert ear.utterance(1).duration_s == pytest.approx(1.5, abs=0.1)
