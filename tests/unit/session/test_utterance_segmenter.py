"""Utterances and pauses as they are cut out of incoming audio, in silence and over the bot's voice."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tests.support.engines import LoudnessVad, loud
from tests.support.sounds import babble
from tests.support.voices import hold, recorded, silence, syllables
from voicebot.audio.echo import EchoDetector
from voicebot.audio.sound import Audio
from voicebot.dialogue.end_of_turn.estimate import DELAYS
from voicebot.dialogue.endpointing import WINDOW_S, EndpointRules
from voicebot.dialogue.events import (
    SpeechCleared,
    SpeechContinued,
    SpeechEnded,
    SpeechPaused,
    SpeechStarted,
    SpeechSuspected,
)
from voicebot.dialogue.preferences import Endpointing, Sensitivity
from voicebot.engines.protocols import Pause
from voicebot.session.utterance_segmenter import PRE_ROLL_S, SpeechChange, UtteranceAudio, UtteranceSegmenter


class Listener:
    def __init__(self, vad: LoudnessVad | None = None) -> None:
        self.edges: list[Any] = []
        self.suspicions: list[SpeechChange] = []
        self.sound: dict[int, list[Audio]] = {}
        self.pauses: list[float] = []
        """The position of each pause in the audio of its utterance."""
        self.segmenter = UtteranceSegmenter(vad or LoudnessVad(), EndpointRules())

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
            for event in self.segmenter.receive_audio(Audio(audio.samples[start : start + size], audio.rate_hz)):
                self._heard(event)

    def press(self) -> None:
        for event in self.segmenter.press():
            self._heard(event)

    def utterance(self, number: int) -> Audio:
        return Audio.joined(self.sound[number], 16_000)


def test_the_sound_of_an_utterance_is_handed_on_without_a_copy_where_its_frames_are_whole_windows() -> None:
    """Other frames are copied once to join them, and once more if they have to be resampled."""
    segmenter, speech = UtteranceSegmenter(LoudnessVad(), EndpointRules()), loud(1.0, 16_000).samples
    shared = []
    for start in range(0, len(speech) - 512, 512):
        frame = speech[start : start + 512].copy()
        for event in segmenter.receive_audio(Audio(frame, 16_000)):
            if isinstance(event, UtteranceAudio) and isinstance(event.sound, Audio) and len(event.sound.samples) == 512:
                shared.append(np.shares_memory(frame, event.sound.samples))
    assert len(shared) > 20
    assert all(shared)


def test_hard_sensitivity_needs_longer_speech_only_while_the_bot_speaks() -> None:
    """An utterance begins after 160 ms of speech while the bot speaks, and after 96 ms otherwise."""
    listener = Listener()
    listener.segmenter.set_thresholds(Sensitivity.HARD.interruption_thresholds)
    hear_while_bot_speaks(listener, 1.1, speech=False)
    for _ in range(30):
        listener.segmenter.note_playback(np.zeros(960, np.int16))
    listener.receive_audio(Audio.silence(1, 16_000))
    listener.receive_audio(loud(0.1, 16_000))
    listener.receive_audio(Audio.silence(1, 16_000))
    assert listener.edges[0] == SpeechStarted(1, since_s=3 * WINDOW_S)
    assert listener.utterance(1).duration_s > PRE_ROLL_S + 0.5

    listener.edges.clear()
    bots_voice = np.full(960, 3000, np.int16)
    for _ in range(5):
        listener.segmenter.note_playback(bots_voice)
    listener.receive_audio(loud(0.1, 16_000))
    listener.receive_audio(Audio.silence(0.2, 16_000))
    assert listener.edges == []
    listener.segmenter.note_playback(bots_voice)
    listener.receive_audio(loud(0.25, 16_000))
    assert listener.edges[0] == SpeechStarted(2, since_s=5 * WINDOW_S)
    assert listener.utterance(2).duration_s >= PRE_ROLL_S + 0.15


@pytest.mark.parametrize("rate_hz", [48_000, 44_100, 16_000, 8_000])
@pytest.mark.parametrize("piece_s", [0.01, 0.02, 0.5])
def test_speech_between_silences_becomes_one_complete_utterance(rate_hz: int, piece_s: float) -> None:
    listener = Listener()
    listener.receive_audio(Audio.silence(1, rate_hz), piece_s)
    listener.receive_audio(loud(1.0, rate_hz), piece_s)
    listener.receive_audio(Audio.silence(1, rate_hz), piece_s)
    started, paused, ended = listener.edges
    assert started == SpeechStarted(1, since_s=3 * WINDOW_S)
    assert isinstance(ended, SpeechEnded)
    assert isinstance(paused, SpeechPaused)
    assert (paused.pause, paused.silence_s) == (1, pytest.approx(0.096))
    assert ended.silence_s == pytest.approx(0.512)
    assert ended.speech.duration_s == pytest.approx(1.0, abs=0.05)
    sound = listener.utterance(1)
    is_loud = np.abs(sound.samples) > 500
    assert is_loud.sum() / 16_000 == pytest.approx(0.96, abs=0.05), "all of the speech must be in the utterance"
    lead_s = int(np.argmax(is_loud)) / 16_000
    assert lead_s == pytest.approx(PRE_ROLL_S, abs=0.04), "the sound right before the speech must be in the utterance"


def test_two_utterances_share_no_sound() -> None:
    listener = Listener()
    for _ in range(2):
        listener.receive_audio(loud(0.5))
        listener.receive_audio(Audio.silence(0.55, 48_000))
    listener.receive_audio(Audio.silence(0.5, 48_000))
    assert [edge.utterance for edge in listener.edges] == [1, 1, 1, 2, 2, 2]
    total_s = listener.utterance(1).duration_s + listener.utterance(2).duration_s
    assert total_s <= 2 * 1.05 + PRE_ROLL_S


def test_the_sample_rate_may_change_within_an_utterance() -> None:
    listener = Listener()
    listener.receive_audio(loud(0.5, 48_000))
    listener.receive_audio(loud(0.5, 16_000))
    listener.receive_audio(Audio.silence(1, 16_000))
    assert listener.utterance(1).duration_s == pytest.approx(1.5, abs=0.1)


def test_a_pause_in_speech_and_the_continuation_after_the_pause_are_reported() -> None:
    listener = Listener()
    for audio in (loud(0.5), Audio.silence(0.3, 48_000), loud(0.5), Audio.silence(0.7, 48_000)):
        listener.receive_audio(audio)
    kinds = [type(edge) for edge in listener.edges]
    assert kinds == [SpeechStarted, SpeechPaused, SpeechContinued, SpeechPaused, SpeechEnded]
    assert [edge.pause for edge in listener.edges if isinstance(edge, SpeechPaused)] == [1, 2]
    assert listener.pauses == [pytest.approx(0.6, abs=0.05), pytest.approx(1.4, abs=0.05)]


@pytest.mark.parametrize(("endpointing_delay_s", "ends_s"), [(0.2, 0.224), (1.0, 1.024)])
def test_an_utterance_ends_after_its_own_endpointing_delay(endpointing_delay_s: float, ends_s: float) -> None:
    listener = Listener()
    listener.receive_audio(loud(0.5))
    listener.segmenter.set_endpointing_delay(1, endpointing_delay_s)
    listener.receive_audio(Audio.silence(1.2, 48_000))
    (ended,) = [edge for edge in listener.edges if isinstance(edge, SpeechEnded)]
    assert ended.silence_s == pytest.approx(ends_s)
    listener.segmenter.set_endpointing_delay(1, 5.0)
    listener.receive_audio(loud(0.5))
    listener.receive_audio(Audio.silence(0.6, 48_000))
    assert isinstance(listener.edges[-1], SpeechEnded), "the delay of another utterance must not apply"


def test_the_loudness_of_an_utterance_is_measured_during_it_and_at_its_end() -> None:
    listener = Listener()
    quiet = Audio(loud(0.5).samples // 4, 48_000)
    meanwhile: list[float | None] = []
    for number, audio in enumerate((loud(0.5), quiet), 1):
        assert listener.segmenter.speech(number) is None
        listener.receive_audio(audio)
        speech = listener.segmenter.speech(number)
        assert speech is not None
        meanwhile.append(speech.level_dbfs)
        listener.receive_audio(Audio.silence(0.6, 48_000))
    at_the_end = [edge.speech.level_dbfs for edge in listener.edges if isinstance(edge, SpeechEnded)]
    assert at_the_end == pytest.approx(meanwhile, abs=0.5)
    assert at_the_end == pytest.approx([loud(0.5).level_dbfs, loud(0.5).level_dbfs - 12], abs=1.5)


def test_a_click_is_suspected_as_speech_for_a_moment_and_starts_no_utterance() -> None:
    listener = Listener()
    listener.receive_audio(Audio.joined([Audio.silence(0.5, 48_000), loud(0.03), Audio.silence(0.5, 48_000)], 48_000))
    assert listener.edges == []
    assert listener.suspicions == [SpeechSuspected(), SpeechCleared()]
    assert not listener.segmenter.hears_speech


def test_sound_much_fainter_than_the_speech_before_is_silence_whatever_the_vad_detects() -> None:
    """The VAD of this test calls all sound speech, as Silero does with the end of a word."""
    listener = Listener(DetectsEverything())
    faint = Audio((loud(1.0).samples * 0.04).astype(np.int16), 48_000)
    assert LoudnessVad().probability(faint.samples[:512] * 10) == 1.0
    listener.receive_audio(loud(0.6))
    listener.receive_audio(faint)
    assert [type(edge) for edge in listener.edges[:3]] == [SpeechStarted, SpeechPaused, SpeechEnded]
    assert listener.edges[1].speech.duration_s == pytest.approx(0.6, abs=0.05)


class DetectsEverything(LoudnessVad):
    def probability(self, window: npt.NDArray[np.int16]) -> float:
        return 1.0


def test_the_echo_of_the_bot_starts_no_utterance_after_the_first_tenths_of_a_second() -> None:
    """The very first echo may start one, because the delay of the echo is not known yet."""
    listener = Listener(DetectsEverything())
    voice = babble(4.5)
    delay = Audio.silence(0.12, 48_000)
    back = Audio.joined([delay, Audio((voice.samples * 0.3).astype(np.int16), 48_000)], 48_000)
    started = []
    for start in range(0, len(voice.samples) - 960, 960):
        listener.segmenter.note_playback(voice.samples[start : start + 960])
        before = len(listener.edges)
        listener.receive_audio(Audio(back.samples[start : start + 960], 48_000))
        if any(isinstance(edge, SpeechStarted) for edge in listener.edges[before:]):
            started.append(start / 48_000)
    assert all(at_s < 0.6 for at_s in started), started


def test_speech_after_an_echo_is_delayed_while_the_bot_speaks_and_not_when_it_is_silent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The delay gives the echo detector enough sound to judge."""
    monkeypatch.setattr(EchoDetector, "score_of_utterance", lambda *_: 0.9)
    listener = Listener()
    hear_while_bot_speaks(listener, 1.1, speech=False)
    listener.receive_audio(loud(0.4))
    listener.receive_audio(Audio.silence(0.8, 48_000))
    assert [type(edge) for edge in listener.edges] == [SpeechStarted, SpeechPaused, SpeechEnded]
    chance = np.random.default_rng(1)

    def played_and_heard(duration_s: float) -> None:
        """Plays noise and hears another sound, which the echo detector itself does not take for an echo."""
        for _ in range(round(duration_s / 0.02)):
            listener.segmenter.note_playback(chance.integers(-5000, 5000, 960).astype(np.int16))
            listener.receive_audio(loud(0.02))

    played_and_heard(0.7)
    assert len(listener.edges) == 3, "speech this short after an echo must be delayed"
    played_and_heard(0.4)
    assert type(listener.edges[-1]) is SpeechStarted, "longer speech must start an utterance"
    is_loud = np.abs(listener.utterance(2).samples) > 500
    assert is_loud.sum() / 16_000 == pytest.approx(1.06, abs=0.05), "none of the delayed speech may be lost"

    listener.receive_audio(Audio.silence(0.8, 48_000))
    for _ in range(round(0.6 / 0.02)):
        listener.segmenter.note_playback(np.zeros(960, np.int16))
    count = len(listener.edges)
    listener.receive_audio(loud(0.4))
    assert type(listener.edges[count]) is SpeechStarted, (
        "speech must start an utterance at once while the bot is silent"
    )


def hear_while_bot_speaks(listener: Listener, duration_s: float, *, speech: bool) -> None:
    """Lets the bot speak while the microphone picks up another sound, or nothing."""
    chance = np.random.default_rng(1)
    for _ in range(round(duration_s / 0.02)):
        listener.segmenter.note_playback(chance.integers(-5000, 5000, 960).astype(np.int16))
        listener.receive_audio(loud(0.02) if speech else Audio.silence(0.02, 48_000))


@pytest.mark.parametrize(("bot_spoke_s", "echo"), [(1.1, 0.24), (0.1, 0.6)])
def test_a_likeness_to_the_bot_counts_less_if_its_voice_has_not_come_back_so_far(
    monkeypatch: pytest.MonkeyPatch, bot_spoke_s: float, echo: float
) -> None:
    """The user probably wears headphones. After a tenth of a second of the bot's voice, nobody can tell."""
    monkeypatch.setattr(EchoDetector, "score_of_utterance", lambda *_: 0.2)
    monkeypatch.setattr(EchoDetector, "score_as_copy", lambda *_: 0.6)
    listener = Listener()
    hear_while_bot_speaks(listener, bot_spoke_s, speech=False)
    listener.receive_audio(loud(0.4))
    listener.receive_audio(Audio.silence(0.8, 48_000))
    assert [edge.speech.echo for edge in listener.edges if isinstance(edge, SpeechEnded)] == [pytest.approx(echo)]


def test_the_bot_is_silent_for_the_first_speech_over_it_and_an_utterance_begins_once_it_is_no_echo() -> None:
    """The sound may be the echo of the bot, and its first tenths of a second are too short to tell. None is lost."""
    listener = Listener()
    hear_while_bot_speaks(listener, 0.3, speech=False)
    hear_while_bot_speaks(listener, 0.1, speech=True)
    assert listener.suspicions == [SpeechSuspected()]
    hear_while_bot_speaks(listener, 0.3, speech=True)
    assert listener.edges == []
    hear_while_bot_speaks(listener, 0.2, speech=True)
    assert listener.edges == [SpeechStarted(1, since_s=3 * WINDOW_S + 13 * WINDOW_S)]
    assert SpeechCleared() not in listener.suspicions
    listener.receive_audio(Audio.silence(0.6, 48_000))
    is_loud = np.abs(listener.utterance(1).samples) > 500
    assert is_loud.sum() / 16_000 == pytest.approx(0.58, abs=0.04)

    listener.edges.clear()
    hear_while_bot_speaks(listener, 0.2, speech=True)
    assert listener.edges == [SpeechStarted(2, since_s=3 * WINDOW_S)], "later speech must not be delayed again"


def test_a_click_over_the_first_words_of_the_bot_silences_it_for_a_moment() -> None:
    listener = Listener()
    hear_while_bot_speaks(listener, 0.3, speech=False)
    hear_while_bot_speaks(listener, 0.04, speech=True)
    hear_while_bot_speaks(listener, 0.1, speech=False)
    assert listener.suspicions == [SpeechSuspected(), SpeechCleared()]
    hear_while_bot_speaks(listener, 0.6, speech=False)
    assert listener.edges == []
    assert not listener.segmenter.hears_speech


def test_the_first_sound_over_the_bot_does_not_silence_it_if_it_sounds_like_the_bot() -> None:
    listener = Listener()
    voice = babble(2.0)
    back = Audio.joined([Audio.silence(0.24, 48_000), Audio((voice.samples * 0.3).astype(np.int16), 48_000)], 48_000)
    for start in range(0, len(voice.samples) - 960, 960):
        listener.segmenter.note_playback(voice.samples[start : start + 960])
        listener.receive_audio(Audio(back.samples[start : start + 960], 48_000))
    assert listener.suspicions == []
    assert listener.edges == []


def test_a_client_that_sends_nothing_more_is_still_heard_while_the_first_sound_is_undecided() -> None:
    """The session sends silence in its place, as long as the segmenter `hears_speech`."""
    listener = Listener()
    hear_while_bot_speaks(listener, 0.3, speech=False)
    hear_while_bot_speaks(listener, 0.1, speech=True)
    assert listener.segmenter.hears_speech


def test_speech_over_a_bot_without_echo_for_a_second_starts_an_utterance_at_once() -> None:
    listener = Listener()
    hear_while_bot_speaks(listener, 1.1, speech=False)
    hear_while_bot_speaks(listener, 0.16, speech=True)
    assert listener.edges == [SpeechStarted(1, since_s=3 * WINDOW_S)]


def test_speech_right_after_the_first_sound_of_the_bot_starts_an_utterance_at_once() -> None:
    """An echo cannot come so soon after the first sound of the bot."""
    listener = Listener()
    hear_while_bot_speaks(listener, 0.1, speech=False)
    hear_while_bot_speaks(listener, 0.16, speech=True)
    assert listener.edges == [SpeechStarted(1, since_s=3 * WINDOW_S)]


def test_each_pause_tells_how_the_speech_before_it_ends() -> None:
    listener = Listener()
    sentence = [*syllables([130, 138, 126, 133, 128, 135, 130]), hold("a", 0.25, 125, 90)]
    listener.receive_audio(Audio(recorded([silence(0.5), *sentence, silence(0.3)]), 16_000))
    listener.receive_audio(Audio(recorded([*syllables([180, 190, 185, 182, 188, 185]), silence(1)]), 16_000))
    listener.receive_audio(Audio(recorded([*syllables([180, 190, 185, 182, 188, 185]), silence(1)]), 16_000))
    falling, rising, another = (event.prosody for event in listener.edges if isinstance(event, SpeechPaused))
    assert falling is not None
    assert rising is not None
    assert another is not None
    assert falling.pitch_st == pytest.approx(-5.5, abs=1.5)
    assert rising.pitch_st == pytest.approx(5.5, abs=1), "the utterance goes on at a higher pitch"
    assert another.pitch_st == pytest.approx(0, abs=1), "another utterance has another usual pitch"


# Push-to-talk -----------------------------------------------------------------------------------------------------


def test_a_press_begins_an_utterance_at_once_which_holds_only_the_sound_after_it() -> None:
    listener = Listener()
    listener.receive_audio(Audio(np.full(16_000, 300, np.int16), 16_000))
    listener.press()
    assert listener.edges == [SpeechStarted(1, held=True)]
    for audio in (loud(0.5, 16_000), Audio.silence(2, 16_000), loud(0.5, 16_000), Audio.silence(0.4, 16_000)):
        listener.receive_audio(audio)
    listener.segmenter.release()
    listener.receive_audio(Audio.silence(1, 16_000))
    kinds = [type(edge) for edge in listener.edges]
    assert kinds == [SpeechStarted, SpeechContinued, SpeechPaused, SpeechContinued, SpeechPaused, SpeechEnded]
    ended = listener.edges[-1]
    assert ended.released
    assert ended.silence_s == pytest.approx(0.56, abs=0.04)
    sound = listener.utterance(1)
    assert sound.duration_s == pytest.approx(3.56, abs=0.05)
    assert np.abs(sound.samples[600:1000]).max() > 1000, "the first words after the press must be in the utterance"


def test_the_bots_echo_after_a_press_is_not_the_users_speech() -> None:
    listener = Listener()
    hear_while_bot_speaks(listener, 1.5, speech=False)
    listener.press()
    hear_while_bot_speaks(listener, 0.5, speech=False)
    listener.segmenter.release()
    listener.receive_audio(Audio.silence(0.3, 16_000))
    ended = [edge for edge in listener.edges if isinstance(edge, SpeechEnded)][-1]
    assert (ended.released, ended.speech.duration_s) == (True, 0.0)


def test_an_utterance_held_for_too_long_is_cut_into_held_utterances_without_a_gap() -> None:
    listener = Listener()
    listener.segmenter = UtteranceSegmenter(LoudnessVad(), EndpointRules(longest_s=1.0))
    listener.press()
    listener.receive_audio(loud(2.5, 16_000))
    started = [edge for edge in listener.edges if isinstance(edge, SpeechStarted)]
    assert started == [SpeechStarted(number, held=True) for number in range(1, len(started) + 1)]
    assert len(started) > 2
    assert not any(edge.released for edge in listener.edges if isinstance(edge, SpeechEnded))
    heard_s = sum(listener.utterance(edge.utterance).duration_s for edge in started if edge.utterance in listener.sound)
    assert heard_s == pytest.approx(2.5, abs=0.04)


def test_the_endpointing_of_the_session_sets_the_silence_after_which_speech_without_words_ends() -> None:
    listener = Listener()
    for endpointing in (Endpointing.PATIENT, Endpointing.QUICK):
        listener.segmenter.set_endpointing(endpointing)
        listener.receive_audio(loud(0.5))
        listener.receive_audio(Audio.silence(3, 48_000))
        assert listener.edges[-1].silence_s == pytest.approx(DELAYS[endpointing].even_s, abs=0.035)
