"""A silent user: the bot asks whether the user is there, says goodbye, and ends the session."""

from __future__ import annotations

import pytest

from tests.support.machine_session import Session, bot, user
from voicebot.dialogue.events import (
    CancelReply,
    Command,
    ConversationCleared,
    FinalTranscript,
    InterruptPressed,
    PlaybackFinished,
    ReplyEnded,
    ResumePlayback,
    SentencePlayed,
    SessionStarted,
    SpeechEnded,
    SpeechStarted,
    StartReply,
    StartTimer,
    StopTimer,
    TextTyped,
    Timer,
    VerdictDisputed,
    WordsHeard,
)
from voicebot.dialogue.facts import ConversationEnded
from voicebot.dialogue.machine import NOBODY_THERE
from voicebot.dialogue.state import IdleStage, Phase, Rules
from voicebot.languages.prompts import goodbye, still_there

QUESTION, FAREWELL = still_there("en"), goodbye("en")


def waiting(timeout_s: float = 120.0, language: str = "en") -> Session:
    """Returns a session that has just begun."""
    session = Session(Rules(preemptive_replies=False, idle_timeout_s=timeout_s, language=language))
    session.post(SessionStarted())
    return session


def idle_s(session: Session) -> float:
    """Returns the time that the session will still wait."""
    assert Timer.IDLE in dict(session.state.timers)
    return session.started[Timer.IDLE].delay_s


def heard_whole(session: Session, *sentences: str) -> list[Command]:
    session.answer(*sentences)
    reply = session.state.last_reply
    played = [SentencePlayed(reply, index) for index in range(len(sentences))]
    return session.post(*played, PlaybackFinished(reply), ReplyEnded(reply))


def is_over(session: Session) -> bool:
    return ConversationEnded(NOBODY_THERE) in session.facts


def test_an_idle_session_asks_for_the_user_then_says_goodbye_and_ends() -> None:
    session = waiting()
    assert idle_s(session) == 120

    assert session.time_out(Timer.IDLE) == [StartReply(1, (), text=QUESTION)]
    assert session.state.idle_stage is IdleStage.PROMPTED
    (timer,) = heard_whole(session, QUESTION)
    assert isinstance(timer, StartTimer)
    assert timer.delay_s == 30
    assert session.state.history == (bot(QUESTION),)

    assert session.time_out(Timer.IDLE) == [StartReply(2, (bot(QUESTION),), text=FAREWELL)]
    assert not is_over(session)
    assert heard_whole(session, FAREWELL) == []
    assert is_over(session)
    assert session.state.history == (bot(QUESTION), bot(FAREWELL))
    assert session.state.is_idle
    assert session.state.timers == (), "no timer may run after the end"


def test_an_idle_timeout_of_zero_starts_no_timer() -> None:
    session = waiting(0.0)
    session.ask()
    heard_whole(session, "Once.")
    assert session.state.timers == ()


def test_the_idle_timeout_starts_once_the_answer_was_heard() -> None:
    session = waiting()
    session.ask("tell me a story")
    assert Timer.IDLE not in dict(session.state.timers), "the idle timer must not run while the bot thinks"
    heard_whole(session, "Once.")
    assert idle_s(session) == 120
    session.time_out(Timer.IDLE)
    assert session.state.reply is not None
    heard_whole(session, QUESTION)
    assert session.state.history == (user("tell me a story"), bot("Once."), bot(QUESTION))


def test_an_answer_to_the_idle_question_is_an_ordinary_turn() -> None:
    session = waiting()
    session.time_out(Timer.IDLE)
    heard_whole(session, QUESTION)
    assert session.ask("yes") == [StartReply(2, (bot(QUESTION), user("yes")))]
    assert session.state.idle_stage is IdleStage.ACTIVE
    heard_whole(session, "Good.")
    assert idle_s(session) == 120


def test_speech_over_the_idle_question_answers_the_question() -> None:
    session = waiting()
    session.time_out(Timer.IDLE)
    session.answer(QUESTION)
    session.post(WordsHeard(1, 0, 4), SpeechStarted(1), SpeechEnded(1))
    assert CancelReply(1) in session.post(FinalTranscript(1, "yes I am"))
    session.post(ReplyEnded(1))
    session.time_out(Timer.DEBOUNCE)
    assert session.state.history == (bot(QUESTION), user("yes I am"))
    assert session.state.idle_stage is IdleStage.ACTIVE
    assert session.state.phase is Phase.THINKING


def test_speech_over_the_goodbye_continues_the_session() -> None:
    session = waiting()
    session.time_out(Timer.IDLE)
    heard_whole(session, QUESTION)
    session.time_out(Timer.IDLE)
    session.answer(FAREWELL)
    session.post(WordsHeard(2, 0, 3), SpeechStarted(1), SpeechEnded(1), FinalTranscript(1, "wait what time is it"))
    session.post(ReplyEnded(2))
    assert not is_over(session)
    session.time_out(Timer.DEBOUNCE)
    heard_whole(session, "Ten.")
    assert idle_s(session) == 120


def test_a_cough_over_the_goodbye_does_not_continue_the_session() -> None:
    session = waiting()
    session.time_out(Timer.IDLE)
    heard_whole(session, QUESTION)
    session.time_out(Timer.IDLE)
    session.answer(FAREWELL)
    session.post(SpeechStarted(1), SpeechEnded(1))
    assert ResumePlayback(2) in session.post(FinalTranscript(1, ""))
    session.post(SentencePlayed(2, 0), PlaybackFinished(2), ReplyEnded(2))
    assert is_over(session)


def test_speech_at_the_very_end_of_the_goodbye_continues_the_session() -> None:
    session = waiting()
    session.time_out(Timer.IDLE)
    heard_whole(session, QUESTION)
    session.time_out(Timer.IDLE)
    session.answer(FAREWELL)
    session.post(SentencePlayed(2, 0), PlaybackFinished(2), SpeechStarted(1), ReplyEnded(2))
    assert not is_over(session)
    session.post(SpeechEnded(1), FinalTranscript(1, "I am here"))
    assert session.time_out(Timer.DEBOUNCE)[0] == StartReply(3, session.state.history)
    assert session.state.idle_stage is IdleStage.ACTIVE


def test_noise_does_not_extend_the_idle_timeout() -> None:
    session = waiting()
    session.now_s += 100
    session.post(SpeechStarted(1))
    assert Timer.IDLE not in dict(session.state.timers)
    session.post(SpeechEnded(1), FinalTranscript(1, ""))
    session.time_out(Timer.DEBOUNCE)
    assert idle_s(session) == pytest.approx(20, abs=0.1)


@pytest.mark.parametrize("sign", [InterruptPressed(), ConversationCleared(), VerdictDisputed(1)])
def test_pressing_a_button_restarts_the_idle_timeout(
    sign: InterruptPressed | ConversationCleared | VerdictDisputed,
) -> None:
    session = waiting()
    session.time_out(Timer.IDLE)
    heard_whole(session, QUESTION)
    session.now_s += 20
    stop, start = session.post(sign)
    assert stop == StopTimer(Timer.IDLE)
    assert isinstance(start, StartTimer)
    assert start.delay_s == 120
    assert session.state.idle_stage is IdleStage.ACTIVE


def test_typing_stops_the_idle_timeout() -> None:
    session = waiting()
    session.time_out(Timer.IDLE)
    heard_whole(session, QUESTION)
    assert StopTimer(Timer.IDLE) in session.post(TextTyped("here"))
    assert session.state.idle_stage is IdleStage.ACTIVE


def test_a_session_that_was_not_closed_still_answers_after_the_goodbye() -> None:
    session = waiting()
    session.time_out(Timer.IDLE)
    heard_whole(session, QUESTION)
    session.time_out(Timer.IDLE)
    heard_whole(session, FAREWELL)
    session.post(TextTyped("hello"))
    heard_whole(session, "Hello.")
    assert idle_s(session) == 120


@pytest.mark.parametrize("language", ["en", "es", "hi", "de", "fr", "it"])
def test_the_idle_question_and_the_goodbye_are_in_the_sessions_language(language: str) -> None:
    session = waiting(language=language)
    (start,) = session.time_out(Timer.IDLE)
    assert isinstance(start, StartReply)
    assert start.text == still_there(language)
    heard_whole(session, start.text)
    (start,) = session.time_out(Timer.IDLE)
    assert isinstance(start, StartReply)
    assert start.text == goodbye(language)
