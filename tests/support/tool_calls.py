"""Calls of tools in a session of the state machine."""

from __future__ import annotations

from dataclasses import replace

from tests.support.machine_session import Session
from voicebot.dialogue.events import (
    Command,
    ConfirmationAsked,
    FinalTranscript,
    PlaybackFinished,
    ReplyEnded,
    SentencePlayed,
    SpeechEnded,
    SpeechStarted,
    StartReply,
    Timer,
    ToolCallBegun,
    ToolCallEnded,
)
from voicebot.dialogue.facts import ToolCallChanged
from voicebot.dialogue.interruption.verdict import Speech
from voicebot.dialogue.state import Rules
from voicebot.dialogue.tool_calls import CallRecord, CallStatus, ConfirmationRequest

BOOK = CallRecord("book-1", "book_table", '{"people": 2}')
QUESTION = "Shall I book a table for two?"
REQUEST = ConfirmationRequest(BOOK, QUESTION)
MILK = CallRecord("milk-1", "add_to_list", '{"thing": "milk"}')


def asking(rules: Rules | None = None) -> Session:
    """Returns a session in which the user hears the first sample of the question whether to book a table."""
    session = Session(rules)
    session.ask("book a table for two")
    session.post(ConfirmationAsked(1, REQUEST))
    session.answer(QUESTION)
    session.now_s += 2.0
    return session


def asked(rules: Rules | None = None) -> Session:
    """Returns a session in which the user has heard the whole question, and half a second of silence."""
    session = asking(rules)
    finish(session)
    session.now_s += 0.5
    return session


def finish(session: Session) -> list[Command]:
    """Plays the current reply to its end."""
    reply = session.state.reply
    assert reply is not None
    played = [SentencePlayed(reply.number, index) for index in range(reply.played, len(reply.sentences))]
    return session.post(*played, PlaybackFinished(reply.number), ReplyEnded(reply.number))


def say(session: Session, text: str, *, speech: Speech | None = None, since_s: float = 0.0) -> StartReply:
    """Lets the user say `text`, and returns how the reply to it begins."""
    number = session.state.last_utterance + 1
    session.post(SpeechStarted(number, since_s=since_s), SpeechEnded(number, speech=speech or Speech()))
    session.post(FinalTranscript(number, text))
    return start_of(session.time_out(Timer.DEBOUNCE))


def start_of(commands: list[Command]) -> StartReply:
    (start,) = [command for command in commands if isinstance(command, StartReply)]
    return start


def run(session: Session, call: CallRecord, result: str = "done") -> None:
    session.post(ToolCallBegun(session.state.last_reply, call), ToolCallEnded(call.id, CallStatus.DONE, result))


def done(call: CallRecord, position: int, *, reported: bool, result: str = "done") -> CallRecord:
    return replace(call, status=CallStatus.DONE, result=result, position=position, reported=reported)


def changes(session: Session) -> list[CallRecord]:
    return [fact.record for fact in session.facts if isinstance(fact, ToolCallChanged)]
