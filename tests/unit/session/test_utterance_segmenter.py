from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tests.support.engines import LoudnessVad, loud
from tests.support.sounds import babble
from voicebot.audio.echo import EchoDetector
from voicebot.audio.sound import Audio
from voicebot.dialogue.endpointing import EndpointRules
from voicebot.dialogue.events import (
    SpeechCleared,
    SpeechContinued,
    SpeechEnded,
    SpeechPaused,
    SpeechStarted,
    SpeechSuspected,
)
from voicebot.dialogue.preferences import Sensitivity
from voicebot.engines.protocols import Pause
from voicebot.session.utterance_segmenter import PRE_ROLL_S, SpeechChange, UtteranceAudio, UtteranceSegmenter


class Ear:
    def __init__(self, vad: LoudnessVad | None = None) -> None:
        self.edges: list[Any] = []
        self.suspicions: list[SpeechChange] = []
        self.sound: dict[int, list[Audio]] = {}
        self.pauses: list[float] = []
        """Where in the sound of its utterance each pause was marked."""
        self.listener = UtteranceSegmenter(vad or LoudnessVad(), EndpointRules())

    def _heard(self, event: SpeechChange | UtteranceAudio) -> None:
        match event:
            case UtteranceAudio(utterance, Pause()):
                self.pauses.append(self.utterance(utterance).duration_s)
            case UtteranceAudio(utterance, Audio() as sound):
                self.sound.setdefault(utterance, []).append(sound)
            case SpeechSuspected() | SpeechCleared():
                self.suspicions.append(event)
            case _:
                self.edges.append(event)

    def receive_audio(self, audio: Audio, piece_s: float = 0.02) -> None:
        size = round(piece_s * audio.rate_hz)
        for start in range(0, len(audio.samples), size):
            for event in self.listener.receive_audio(Audio(audio.samples[start : start + size], audio.rate_hz)):
                self._heard(event)

    def utterance(self, number: int) -> Audio:
        return Audio.joined(self.sound[number], 16_000)


def test_the_sound_of_an_utterance_is_handed_on_without_a_copy_where_its_frames_are_whole_windows() -> None:
    """Frames of other lengths are copied once, to join them, and those of other rates once more, to resample them."""
    listener, speech = UtteranceSegmenter(LoudnessVad(), EndpointRules()), loud(1.0, 16_000).samples
    shared = []
    for start in range(0, len(speech) - 512, 512):
        frame = speech[start : start + 512].copy()
        for event in listener.receive_audio(Audio(frame, 16_000)):
            if isinstance(event, UtteranceAudio) and isinstance(event.sound, Audio) and len(event.sound.samples) == 512:
                shared.append(np.shares_memory(frame, event.sound.samples))
    assert len(shared) > 20
    assert all(shared)


def test_hard_sensitivity_needs_longer_speech_only_while_the_bot_speaks() -> None:
    """Over its voice 160 ms of speech begin an utterance, in silence 96."""
    ear = Ear()
    ear.listener.set_thresholds(Sensitivity.HARD.interruption_thresholds)
    over_the_bot(ear, 1.1, speech=False)
    for _ in range(30):
        ear.listener.note_playback(np.zeros(960, np.int16))
    ear.receive_audio(Audio.silence(1, 16_000))
    ear.receive_audio(loud(0.1, 16_000))
    ear.receive_audio(Audio.silence(1, 16_000))
    assert ear.edges[0] == SpeechStarted(1)
    assert ear.utterance(1).duration_s > PRE_ROLL_S + 0.5

    ear.edges.clear()
    bots_voice = np.full(960, 3000, np.int16)
    for _ in range(5):
        ear.listener.note_playback(bots_voice)
    ear.receive_audio(loud(0.1, 16_000))
    ear.receive_audio(Audio.silence(0.2, 16_000))
    assert ear.edges == []
    ear.listener.note_playback(bots_voice)
    ear.receive_audio(loud(0.25, 16_000))
    assert ear.edges[0] == SpeechStarted(2)
    assert ear.utterance(2).duration_s >= PRE_ROLL_S + 0.15


@pytest.mark.parametrize("rate_hz", [48_000, 44_100, 16_000, 8_000])
@pytest.mark.parametrize("piece_s", [0.01, 0.02, 0.5])
def test_speech_between_silences_becomes_one_complete_utterance(rate_hz: int, piece_s: float) -> None:
    ear = Ear()
    ear.receive_audio(Audio.silence(1, rate_hz), piece_s)
    ear.receive_audio(loud(1.0, rate_hz), piece_s)
    ear.receive_audio(Audio.silence(1, rate_hz), piece_s)
    started, paused, ended = ear.edges
    assert started == SpeechStarted(1)
    assert isinstance(ended, SpeechEnded)
    assert isinstance(paused, SpeechPaused)
    assert (paused.pause, paused.silence_s) == (1, pytest.approx(0.096))
    assert ended.silence_s == pytest.approx(0.512)
    assert ended.speech.duration_s == pytest.approx(1.0, abs=0.05)
    sound = ear.utterance(1)
    is_loud = np.abs(sound.samples) > 500
    assert is_loud.sum() / 16_000 == pytest.approx(0.96, abs=0.05), "all of the speech"
    lead_s = int(np.argmax(is_loud)) / 16_000
    assert lead_s == pytest.approx(PRE_ROLL_S, abs=0.04), "and what came right before it"


def test_two_utterances_share_no_sound() -> None:
    ear = Ear()
    for _ in range(2):
        ear.receive_audio(loud(0.5))
        ear.receive_audio(Audio.silence(0.55, 48_000))
    ear.receive_audio(Audio.silence(0.5, 48_000))
    assert [edge.utterance for edge in ear.edges] == [1, 1, 1, 2, 2, 2]
    total_s = ear.utterance(1).duration_s + ear.utterance(2).duration_s
    assert total_s <= 2 * 1.05 + PRE_ROLL_S


def test_the_sample_rate_may_change_within_an_utterance() -> None:
    ear = Ear()
    ear.receive_audio(loud(0.5, 48_000))
    ear.receive_audio(loud(0.5, 16_000))
    ear.receive_audio(Audio.silence(1, 16_000))
    assert ear.utterance(1).duration_s == pytest.approx(1.5, abs=0.1)


def test_a_pause_in_speech_and_the_continuation_after_the_pause_are_reported() -> None:
    ear = Ear()
    for audio in (loud(0.5), Audio.silence(0.3, 48_000), loud(0.5), Audio.silence(0.7, 48_000)):
        ear.receive_audio(audio)
    kinds = [type(edge) for edge in ear.edges]
    assert kinds == [SpeechStarted, SpeechPaused, SpeechContinued, SpeechPaused, SpeechEnded]
    assert [edge.pause for edge in ear.edges if isinstance(edge, SpeechPaused)] == [1, 2]
    assert ear.pauses == [pytest.approx(0.6, abs=0.05), pytest.approx(1.4, abs=0.05)]


@pytest.mark.parametrize(("patience_s", "ends_s"), [(0.2, 0.224), (1.0, 1.024)])
def test_an_utterance_ends_after_its_own_endpointing_delay(patience_s: float, ends_s: float) -> None:
    ear = Ear()
    ear.receive_audio(loud(0.5))
    ear.listener.set_endpointing_delay(1, patience_s)
    ear.receive_audio(Audio.silence(1.2, 48_000))
    (ended,) = [edge for edge in ear.edges if isinstance(edge, SpeechEnded)]
    assert ended.silence_s == pytest.approx(ends_s)
    ear.listener.set_endpointing_delay(1, 5.0)
    ear.receive_audio(loud(0.5))
    ear.receive_audio(Audio.silence(0.6, 48_000))
    assert isinstance(ear.edges[-1], SpeechEnded), "another utterance has its own"


def test_the_loudness_of_an_utterance_is_measured_during_it_and_at_its_end() -> None:
    ear = Ear()
    quiet = Audio(loud(0.5).samples // 4, 48_000)
    meanwhile: list[float | None] = []
    for number, audio in enumerate((loud(0.5), quiet), 1):
        assert ear.listener.speech(number) is None
        ear.receive_audio(audio)
        speech = ear.listener.speech(number)
        assert speech is not None
        meanwhile.append(speech.level_dbfs)
        ear.receive_audio(Audio.silence(0.6, 48_000))
    at_the_end = [edge.speech.level_dbfs for edge in ear.edges if isinstance(edge, SpeechEnded)]
    assert at_the_end == pytest.approx(meanwhile, abs=0.5)
    assert at_the_end == pytest.approx([loud(0.5).level_dbfs, loud(0.5).level_dbfs - 12], abs=1.5)


def test_a_click_is_suspected_as_speech_for_a_moment_and_starts_no_utterance() -> None:
    ear = Ear()
    ear.receive_audio(Audio.joined([Audio.silence(0.5, 48_000), loud(0.03), Audio.silence(0.5, 48_000)], 48_000))
    assert ear.edges == []
    assert ear.suspicions == [SpeechSuspected(), SpeechCleared()]
    assert not ear.listener.hears_speech


def test_sound_much_fainter_than_the_speech_before_is_silence_whatever_the_vad_detects() -> None:
    """The loudness detector calls all of this speech, as Silero does with the end of a word."""
    ear = Ear(Everything())
    faint = Audio((loud(1.0).samples * 0.04).astype(np.int16), 48_000)
    assert LoudnessVad().probability(faint.samples[:512] * 10) == 1.0
    ear.receive_audio(loud(0.6))
    ear.receive_audio(faint)
    assert [type(edge) for edge in ear.edges[:3]] == [SpeechStarted, SpeechPaused, SpeechEnded]
    assert ear.edges[1].speech.duration_s == pytest.approx(0.6, abs=0.05)


class Everything(LoudnessVad):
    def probability(self, window: npt.NDArray[np.int16]) -> float:
        return 1.0


def test_the_echo_of_the_bot_starts_no_utterance_after_the_first_tenths_of_a_second() -> None:
    """The first of it may: the delay is not known yet."""
    ear = Ear(Everything())
    voice = babble(4.5)
    delay = Audio.silence(0.12, 48_000)
    back = Audio.joined([delay, Audio((voice.samples * 0.3).astype(np.int16), 48_000)], 48_000)
    started = []
    for start in range(0, len(voice.samples) - 960, 960):
        ear.listener.note_playback(voice.samples[start : start + 960])
        before = len(ear.edges)
        ear.listener.receive_audio(Audio(back.samples[start : start + 960], 48_000))
        if any(isinstance(edge, SpeechStarted) for edge in ear.edges[before:]):
            started.append(start / 48_000)
    assert all(at_s < 0.6 for at_s in started), started


def test_speech_after_an_echo_is_delayed_while_the_bot_speaks_and_not_when_it_is_silent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So that the detector hears enough of it at a stretch; the sound itself is LoudnessVad's: loud is speech."""
    monkeypatch.setattr(EchoDetector, "score_of_utterance", lambda *_: 0.9)
    ear = Ear()
    over_the_bot(ear, 1.1, speech=False)
    ear.receive_audio(loud(0.4))
    ear.receive_audio(Audio.silence(0.8, 48_000))
    assert [type(edge) for edge in ear.edges] == [SpeechStarted, SpeechPaused, SpeechEnded]
    chance = np.random.default_rng(1)

    def played_and_heard(duration_s: float) -> None:
        """What is heard is another sound, so that the detector itself has nothing against it."""
        for _ in range(round(duration_s / 0.02)):
            ear.listener.note_playback(chance.integers(-5000, 5000, 960).astype(np.int16))
            ear.receive_audio(loud(0.02))

    played_and_heard(0.7)
    assert len(ear.edges) == 3, "an echo so soon is held back"
    played_and_heard(0.4)
    assert type(ear.edges[-1]) is SpeechStarted, "but not for ever"
    is_loud = np.abs(ear.utterance(2).samples) > 500
    assert is_loud.sum() / 16_000 == pytest.approx(1.06, abs=0.05), "and nothing of it is lost"

    ear.receive_audio(Audio.silence(0.8, 48_000))
    for _ in range(round(0.6 / 0.02)):
        ear.listener.note_playback(np.zeros(960, np.int16))
    count = len(ear.edges)
    ear.receive_audio(loud(0.4))
    assert type(ear.edges[count]) is SpeechStarted, "the bot is silent: whoever speaks is heard at once"


def over_the_bot(ear: Ear, duration_s: float, *, speech: bool) -> None:
    """The bot speaks; what the microphone hears meanwhile is another sound, or nothing."""
    chance = np.random.default_rng(1)
    for _ in range(round(duration_s / 0.02)):
        ear.listener.note_playback(chance.integers(-5000, 5000, 960).astype(np.int16))
        ear.receive_audio(loud(0.02) if speech else Audio.silence(0.02, 48_000))


def test_the_first_speech_over_the_bot_is_judged_once_long_enough_and_none_of_it_is_lost() -> None:
    """The sound may be the echo of the bot, and its first tenths of a second are too little to tell."""
    ear = Ear()
    over_the_bot(ear, 0.3, speech=False)
    over_the_bot(ear, 0.4, speech=True)
    assert ear.edges == []
    assert ear.suspicions == []
    over_the_bot(ear, 0.2, speech=True)
    assert ear.edges == [SpeechStarted(1)]
    ear.receive_audio(Audio.silence(0.6, 48_000))
    is_loud = np.abs(ear.utterance(1).samples) > 500
    assert is_loud.sum() / 16_000 == pytest.approx(0.58, abs=0.04)

    ear.edges.clear()
    over_the_bot(ear, 0.2, speech=True)
    assert ear.edges == [SpeechStarted(2)], "what there is to learn has been learnt"


def test_speech_over_a_bot_without_echo_for_a_second_starts_an_utterance_at_once() -> None:
    ear = Ear()
    over_the_bot(ear, 1.1, speech=False)
    over_the_bot(ear, 0.16, speech=True)
    assert ear.edges == [SpeechStarted(1)]


def test_speech_right_after_the_first_sound_of_the_bot_starts_an_utterance_at_once() -> None:
    """No echo comes so soon after the bot's first sound."""
    ear = Ear()
    over_the_bot(ear, 0.1, speech=False)
    over_the_bot(ear, 0.16, speech=True)
    assert ear.edges == [SpeechStarted(1)]
