"""Push-to-talk: while the user holds the talk button the bot is silent, and the turn ends when they let go."""

from __future__ import annotations

import pytest

from tests.support.machine_session import Session, bot, speaking, user
from voicebot.dialogue.events import (
    CancelReply,
    FinalTranscript,
    PartialTranscript,
    PausePlayback,
    ResumePlayback,
    SpeechContinued,
    SpeechEnded,
    SpeechPaused,
    SpeechStarted,
    StartReply,
    Timer,
    WordsHeard,
)
from voicebot.dialogue.interruption.verdict import Speech
from voicebot.dialogue.state import Phase, Rules

SPOKEN = Speech(duration_s=1.0)


def test_a_press_pauses_a_speaking_bot_and_a_press_without_speech_lets_it_go_on_at_once() -> None:
    session = speaking()
    assert PausePlayback(1) in session.post(SpeechStarted(2, held=True))
    assert ResumePlayback(1) in session.post(SpeechEnded(2, 0.16, Speech(), released=True))
    assert session.state.phase is Phase.SPEAKING
    assert session.state.utterances == (), "the recogniser's words must not be waited for"


def test_words_that_a_recogniser_finds_in_a_press_without_speech_do_not_count() -> None:
    session = speaking(streams=True)
    session.post(SpeechStarted(2, held=True), PartialTranscript(2, "thank you"))
    assert ResumePlayback(1) in session.post(SpeechEnded(2, 0.16, Speech(), released=True))
    assert session.post(FinalTranscript(2, "thank you for watching")) == []
    assert session.state.history == (user("tell me a story"),)


@pytest.mark.parametrize("streams", [True, False])
def test_a_held_button_keeps_the_bot_silent_through_backchannels_pauses_and_timeouts(*, streams: bool) -> None:
    session = speaking(streams=streams)
    session.post(SpeechStarted(2, held=True))
    session.post(SpeechPaused(2, 1, 0.1, Speech(duration_s=0.3)), PartialTranscript(2, "uh-huh", pause=1))
    for _ in range(3):
        session.time_out(Timer.VERDICT)
        assert session.state.phase is Phase.PAUSED
    assert not session.state.verdicts
    assert ResumePlayback(1) in session.post(SpeechEnded(2, 0.5, Speech(duration_s=0.3), released=True))
    assert session.state.verdicts[-1].verdict.rule == "backchannel"


def test_words_that_are_meant_for_the_bot_interrupt_it_while_the_button_is_held() -> None:
    session = speaking()
    session.post(SpeechStarted(2, held=True), WordsHeard(1, 0, 2), SpeechPaused(2, 1, 0.1, SPOKEN))
    assert CancelReply(1) in session.post(PartialTranscript(2, "what time is it", pause=1))


def test_letting_go_ends_the_turn_at_once_even_after_unfinished_words() -> None:
    session = Session()
    session.post(SpeechStarted(1, held=True), SpeechPaused(1, 1, 0.1, SPOKEN), PartialTranscript(1, "I want to", 1))
    session.post(SpeechContinued(1), SpeechPaused(1, 2, 0.1, SPOKEN), PartialTranscript(1, "I want to go to", pause=2))
    assert any(isinstance(each, StartReply) for each in session.post(SpeechEnded(1, 0.16, SPOKEN, released=True)))
    assert session.state.history == (user("I want to go to"),)
    assert session.state.turn is not None
    assert session.state.turn.ended_by == "button: you let go"


def test_a_turn_that_ends_by_silence_is_not_said_to_have_ended_by_the_button() -> None:
    session = Session()
    session.ask()
    assert session.state.turn is not None
    assert "button" not in session.state.turn.ended_by


def test_a_reply_prepared_in_a_pause_is_spoken_when_the_button_is_let_go() -> None:
    session = Session(Rules())
    session.post(SpeechStarted(1, held=True), SpeechPaused(1, 1, 0.1, SPOKEN))
    started = session.post(PartialTranscript(1, "what time is it", pause=1))
    assert StartReply(1, (user("what time is it"),), preemptive=True) in started
    session.answer("It is ten.")
    assert session.state.phase is Phase.LISTENING
    assert ResumePlayback(1) in session.post(SpeechEnded(1, 2.0, SPOKEN, released=True))
    assert session.state.turn is not None
    assert session.state.turn.ended_by == "button: you let go"


def test_the_words_of_a_button_held_for_longer_than_an_utterance_may_last_are_one_message() -> None:
    session = Session()
    session.post(SpeechStarted(1, held=True), SpeechEnded(1, 0.0, Speech(duration_s=28.0)))
    session.post(SpeechStarted(2, held=True), FinalTranscript(1, "here is a long story"))
    session.post(SpeechEnded(2, 0.0, SPOKEN, released=True), FinalTranscript(2, "and its end"))
    session.time_out(Timer.DEBOUNCE)
    assert session.state.history == (user("here is a long story and its end"),)


def test_the_speech_timeout_ends_what_a_lost_client_has_held() -> None:
    session = speaking()
    session.post(SpeechStarted(2, held=True), WordsHeard(1, 0, 3))
    session.time_out(Timer.SPEECH)
    assert ResumePlayback(1) in session.time_out(Timer.VERDICT)
    session.post(FinalTranscript(2, ""))
    assert session.state.phase is Phase.SPEAKING
    assert bot("Once upon a") not in session.state.history


def test_a_long_turn_that_is_cut_while_the_button_is_held_is_not_over() -> None:
    session = Session(Rules())
    session.post(
        SpeechStarted(1, held=True), SpeechPaused(1, 1, 0.1, SPOKEN), PartialTranscript(1, "tell me a joke", 1)
    )
    session.now_s += 15
    commands = session.post(SpeechEnded(1, 15.0, SPOKEN), SpeechStarted(2, held=True))
    assert session.state.history == ()
    assert not any(isinstance(each, ResumePlayback) for each in commands)


def test_the_gap_counts_from_the_end_of_the_last_words() -> None:
    session = Session(Rules())
    session.post(SpeechStarted(1, held=True), SpeechPaused(1, 1, 0.1, SPOKEN), SpeechContinued(1))
    session.now_s += 5.0
    session.post(SpeechEnded(1, 0.03, SPOKEN, released=True), FinalTranscript(1, "what time is it"))
    session.time_out(Timer.DEBOUNCE)
    session.answer("It is ten.")
    (turn,) = session.state.turns
    assert turn.response_gap_s is not None
    assert turn.response_gap_s < 0.5
