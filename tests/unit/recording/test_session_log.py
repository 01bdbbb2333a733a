"""The log of a session: its messages with their times, and its facts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.steps import taken
from voicebot.dialogue.events import (
    FinalTranscript,
    Input,
    InterruptPressed,
    PartialTranscript,
    PlaybackStarted,
    ReplyEnded,
    SentencePlayed,
    SentenceReady,
    SessionStarted,
    SpeechEnded,
    SpeechStarted,
    TextEnded,
    TextTyped,
    TimedOut,
    Timer,
    TokenReceived,
    ToolCallBegun,
    ToolCallEnded,
    WordsHeard,
    WordsTakenBack,
)
from voicebot.dialogue.facts import ToolCallChanged
from voicebot.dialogue.history import Message, Role
from voicebot.dialogue.observer import SessionStep
from voicebot.dialogue.state import Rules, State
from voicebot.dialogue.tool_calls import CallRecord, CallStatus
from voicebot.recording import session_log as module
from voicebot.recording.report import events
from voicebot.recording.session_log import SessionLog, TimedCall, TimedMessage

BEGAN_S = 1_000.0
EARLIER = (Message(Role.USER, "hello"), Message(Role.ASSISTANT, "Hi."))


class Session:
    def __init__(self, *calls: CallRecord) -> None:
        rules = Rules(debounce_s=0.0, preemptive_replies=False)
        self.state = State(rules=rules, history=EARLIER, calls=calls, merge_next=False)
        self.log = SessionLog(self.state, BEGAN_S)

    def post(self, at_s: float, *inputs: Input) -> None:
        for input in inputs:
            step = taken(self.state, input, BEGAN_S + at_s)
            self.state = step.state
            self.log.add_step(step)

    @property
    def new(self) -> tuple[TimedMessage, ...]:
        assert self.log.messages()[:2] == tuple(TimedMessage(message) for message in EARLIER)
        return self.log.messages()[2:]


def test_answers_have_the_time_of_their_heard_words_and_store_unheard_words_apart() -> None:
    session = Session()
    session.post(0.0, SessionStarted())
    session.post(1.0, TextTyped("tell me"))
    reply = session.state.last_reply
    session.post(1.5, TokenReceived(reply), SentenceReady(reply, 0, "One two."), SentenceReady(reply, 1, "Three four."))
    session.post(2.0, PlaybackStarted(reply))
    session.post(2.25, WordsHeard(reply, 0, 1))
    (asked, telling) = session.new
    assert asked == TimedMessage(Message(Role.USER, "tell me"), (1.0, 1.0))
    assert telling == TimedMessage(Message(Role.ASSISTANT, "One", interrupted=True), (2.25, 2.25), "two. Three four.")
    session.post(2.5, SentencePlayed(reply, 0))
    session.post(3.0, WordsHeard(reply, 1, 2))
    session.post(3.1, WordsTakenBack(reply, 1, 1))
    session.post(3.25, InterruptPressed())
    session.post(3.5, ReplyEnded(reply))
    (_, told) = session.new
    assert told == TimedMessage(Message(Role.ASSISTANT, "One two. Three", interrupted=True), (2.25, 3.0), "four.")


def test_an_interrupted_reply_keeps_its_times_when_the_next_begins_in_the_same_step() -> None:
    session = Session()
    session.post(1.0, TextTyped("tell me"))
    reply = session.state.last_reply
    session.post(1.5, TokenReceived(reply), SentenceReady(reply, 0, "One two three."))
    session.post(2.0, PlaybackStarted(reply), WordsHeard(reply, 0, 1))
    session.post(3.0, TextTyped("no, this"))
    session.post(3.5, ReplyEnded(reply))
    assert session.state.last_reply == reply + 1
    assert session.new == (
        TimedMessage(Message(Role.USER, "tell me"), (1.0, 1.0)),
        TimedMessage(Message(Role.ASSISTANT, "One", interrupted=True), (2.0, 2.0), "two three."),
        TimedMessage(Message(Role.USER, "no, this"), (3.0, 3.0)),
    )


def test_a_spoken_message_lasts_from_the_start_of_speech_to_the_start_of_silence() -> None:
    session = Session()
    session.post(0.0, SessionStarted())
    session.post(4.0, SpeechStarted(1))
    session.post(5.5, SpeechEnded(1, silence_s=0.5))
    session.post(5.75, FinalTranscript(1, "what time is it"))
    reply = session.state.last_reply
    assert session.new == (TimedMessage(Message(Role.USER, "what time is it"), (4.0, 5.0)),)
    # No word of the answer was heard, so that further words join the message
    session.post(6.0, SpeechStarted(2))
    session.post(7.5, SpeechEnded(2, silence_s=0.5))
    session.post(7.75, FinalTranscript(2, "in Tokyo please"))
    session.post(8.0, ReplyEnded(reply))
    assert session.new == (TimedMessage(Message(Role.USER, "what time is it in Tokyo please"), (4.0, 7.0)),)
    # Noise is no message, and its time counts for no message
    reply = session.state.last_reply
    session.post(9.0, TokenReceived(reply), SentenceReady(reply, 0, "Noon."), TextEnded(reply))
    session.post(9.5, PlaybackStarted(reply), WordsHeard(reply, 0, 1), SentencePlayed(reply, 0), ReplyEnded(reply))
    session.post(10.0, SpeechStarted(3))
    session.post(11.0, SpeechEnded(3, silence_s=0.5), FinalTranscript(3, ""))
    session.post(12.0, TextTyped("thanks"))
    assert [timed.period for timed in session.new] == [(4.0, 7.0), (9.5, 9.5), (12.0, 12.0)]


def test_a_wrong_start_is_an_event_and_no_message() -> None:
    session = Session()
    session.post(0.0, SessionStarted())
    session.post(4.0, SpeechStarted(1))
    session.post(5.5, SpeechEnded(1, silence_s=0.5), FinalTranscript(1, "what time is it"))
    reply = session.state.last_reply
    session.post(6.0, TokenReceived(reply), SentenceReady(reply, 0, "It is noon."), TextEnded(reply))
    session.post(6.5, PlaybackStarted(reply), WordsHeard(reply, 0, 2))
    assert session.new[1].message == Message(Role.ASSISTANT, "It is", interrupted=True)
    session.post(7.0, SpeechStarted(2))
    session.post(8.0, SpeechEnded(2, silence_s=0.5), FinalTranscript(2, "in Tokyo please"))
    session.post(8.25, ReplyEnded(reply))
    assert session.new == (TimedMessage(Message(Role.USER, "what time is it in Tokyo please"), (4.0, 7.5)),)
    (event,) = [each for each in events(session.log).events if each.name == "wrong_start_repaired"]
    assert (event.at_s, event.details) == (8.25, {"reply": reply, "heard": "It is"})


def test_a_partial_transcript_has_its_times_when_the_final_one_never_comes() -> None:
    session = Session()
    session.post(4.0, SpeechStarted(1), PartialTranscript(1, "what time"))
    session.post(5.5, SpeechEnded(1, silence_s=0.5))
    token = dict(session.state.timers)[Timer.TRANSCRIPT]
    session.post(15.5, TimedOut(Timer.TRANSCRIPT, token))
    assert session.new == (TimedMessage(Message(Role.USER, "what time"), (4.0, 5.0)),)


def test_events_are_the_facts_up_to_a_maximum_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_FACTS", 12)
    session = Session()
    session.post(0.0, SessionStarted())
    session.post(1.0, TextTyped("tell me"))
    reply = session.state.last_reply
    session.post(1.25, TokenReceived(reply), SentenceReady(reply, 0, "One two three four."))
    session.post(2.0, PlaybackStarted(reply), WordsHeard(reply, 0, 2))
    session.post(3.0, SpeechStarted(1))
    session.post(4.0, SpeechEnded(1, silence_s=0.5), FinalTranscript(1, "stop"))
    session.post(4.5, ReplyEnded(reply))
    file = events(session.log)
    assert file.dropped > 0
    assert len(file.events) == 12
    found = {event.name: event for event in file.events}
    verdict = found["verdict_given"]
    assert (verdict.at_s, verdict.details["decision"], verdict.details["rule"]) == (4.0, "regenerate", "stop word")
    assert found["phase_changed"].details == {"phase": "idle"}
    assert found["transcript_completed"].details["text"] == "stop"
    turn = found["turn_answered"].details
    assert (turn["typed"], turn["response_gap_ms"], turn["steps"][-1]["name"]) == (True, 1_000, "first frame")
    finished = found["reply_finished"].details
    assert (finished["unheard"], finished["interrupted"]) == ("three four.", True)


def test_a_copy_of_the_log_does_not_change_with_the_session() -> None:
    session = Session()
    session.post(1.0, TextTyped("tell me"))
    copied = session.log.copy()
    messages, count = copied.messages(), len(copied.facts)
    session.post(2.0, InterruptPressed(), TextTyped("no, this"))
    assert (copied.messages(), len(copied.facts)) == (messages, count)


def test_calls_have_the_times_at_which_they_began_and_ended_during_the_recording() -> None:
    running = CallRecord("earlier", "order", "{}", position=1)
    done = replace(running, id="long ago", status=CallStatus.DONE, reported=True)
    session = Session(running, done)
    session.post(1.0, ToolCallBegun(1, CallRecord("now", "order", "{}")))
    session.post(1.5, ToolCallEnded("earlier", CallStatus.DONE, "It is ordered."))
    session.post(2.0, ToolCallBegun(1, CallRecord("at last", "order", "{}")))
    session.post(3.0, ToolCallEnded("now", CallStatus.FAILED, "There is no dough."))
    earlier, long_ago, now, at_last = session.log.calls()
    assert earlier == TimedCall(session.state.calls[0], None, 1.5)
    assert long_ago == TimedCall(done)
    assert now == TimedCall(session.state.calls[2], 1.0, 3.0)
    assert at_last == TimedCall(session.state.calls[3], 2.0)
    assert now.record.result == "There is no dough."


def test_a_call_that_was_not_confirmed_ended_and_never_began() -> None:
    session = Session()
    asked = CallRecord("asked", "order", "{}", CallStatus.NOT_CONFIRMED, "no")
    reported = replace(asked, reported=True)
    for at_s, record in ((BEGAN_S + 1.0, asked), (BEGAN_S + 2.0, reported)):
        state = replace(session.state, calls=(record,))
        session.log.add_step(SessionStep(SessionStarted(), at_s, state, (ToolCallChanged(record),), changed=True))
    assert session.log.calls() == (TimedCall(reported, None, 1.0),)


def test_the_events_name_calls_and_what_became_of_them_without_their_arguments() -> None:
    session = Session()
    session.post(1.0, ToolCallBegun(1, CallRecord("now", "order", '{"address": "Main Street"}')))
    session.post(3.0, ToolCallEnded("now", CallStatus.DONE, "It is ordered."))
    changes = [event for event in events(session.log).events if event.name == "tool_call_changed"]
    assert [(event.at_s, event.details) for event in changes] == [
        (1.0, {"id": "now", "tool": "order", "status": "running", "reported": False}),
        (3.0, {"id": "now", "tool": "order", "status": "done", "reported": False}),
    ]
