"""Requests for an answer name the model that stood in for others, as far as the user heard its last answer."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.machine_session import Session
from voicebot.dialogue.events import (
    EngineReported,
    InterruptPressed,
    PartialTranscript,
    PlaybackFinished,
    ReplyEnded,
    SentencePlayed,
    SpeechContinued,
    SpeechEnded,
    SpeechPaused,
    SpeechStarted,
    Stage,
    StartReply,
    TextTyped,
    WordsHeard,
)
from voicebot.dialogue.state import Rules

MODEL = EngineReported(Stage.LLM, "groq")
RULES = EngineReported(Stage.LLM, "offline", ("groq: the service failed",))


def stood_in(session: Session) -> str:
    """Starts the next reply and returns the name of the fallback model in its command."""
    starts = [command for command in session.post(TextTyped("and now")) if isinstance(command, StartReply)]
    return starts[0].stood_in


def answered(*served: EngineReported, session: Session | None = None) -> Session:
    """Returns a session with one turn for each engine. The user heard all answers to the end."""
    session = session or Session()
    for each in served:
        session.ask()
        reply = session.state.last_reply
        session.post(each)
        session.answer("One.", "Two.")
        session.post(SentencePlayed(reply, 0), SentencePlayed(reply, 1), PlaybackFinished(reply), ReplyEnded(reply))
    return session


@pytest.mark.parametrize(
    ("served", "then"),
    [
        ((), ""),
        ((MODEL,), ""),
        ((RULES,), "offline"),
        ((RULES, RULES), "offline"),
        ((RULES, MODEL), ""),
        ((RULES, MODEL, RULES), "offline"),
        ((EngineReported(Stage.LLM, "offline"),), ""),
        ((RULES, EngineReported(Stage.LLM, "openai", ("groq: no",))), "openai"),
        ((EngineReported(Stage.TTS, "espeak", ("gtts: no",)),), ""),
    ],
)
def test_the_next_request_names_the_fallback_model_of_the_last_heard_answer(
    served: tuple[EngineReported, ...], then: str
) -> None:
    assert stood_in(answered(*served)) == then


def test_a_fallback_whose_first_sentence_was_cut_short_is_not_named() -> None:
    session = Session()
    session.ask()
    session.post(RULES)
    session.answer("My language model is away just now.", "It is ten.")
    session.post(WordsHeard(1, 0, 3), InterruptPressed(), ReplyEnded(1))
    assert stood_in(session) == ""


def test_a_fallback_interrupted_after_its_first_sentence_is_named() -> None:
    session = Session()
    session.ask()
    session.post(RULES)
    session.answer("My language model is away just now.", "It is ten.")
    session.post(SentencePlayed(1, 0), InterruptPressed(), ReplyEnded(1))
    assert stood_in(session) == "offline"


def test_a_discarded_preemptive_reply_records_no_fallback() -> None:
    session = Session(Rules())
    session.post(SpeechStarted(1), SpeechPaused(1, 1), PartialTranscript(1, "what time is it", pause=1), RULES)
    session.answer_quietly("My language model is away just now.")
    session.post(SpeechContinued(1), ReplyEnded(1), SpeechEnded(1))
    assert session.state.stood_in == ""


def test_a_fixed_sentence_between_two_answers_does_not_change_the_named_fallback() -> None:
    session = answered(RULES)
    session.state = replace(session.state, ask_again=True)
    session.post(EngineReported(Stage.STT, "moonshine"))
    reply = session.state.last_reply
    assert reply == 2, "the second reply asks the user to say that again"
    session.answer("Sorry?")
    session.post(SentencePlayed(reply, 0), PlaybackFinished(reply), ReplyEnded(reply))
    assert stood_in(session) == "offline"
