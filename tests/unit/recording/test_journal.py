"""What is noted of a session: its messages with their times, its verdicts and turns."""

from __future__ import annotations

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
    WordsHeard,
    WordsTakenBack,
)
from voicebot.dialogue.history import Message, Role
from voicebot.dialogue.state import Phase, Rules, State
from voicebot.recording import journal as module
from voicebot.recording.journal import Entry, Journal
from voicebot.recording.report import events, timings

BEGAN_S = 1_000.0
EARLIER = (Message(Role.USER, "hello"), Message(Role.ASSISTANT, "Hi."))


class Session:
    def __init__(self) -> None:
        self.state = State(rules=Rules(debounce_s=0.0, preemptive_replies=False), history=EARLIER, merge_next=False)
        self.journal = Journal(self.state, BEGAN_S)

    def happens(self, at_s: float, *inputs: Input) -> None:
        for input in inputs:
            step = taken(self.state, input, BEGAN_S + at_s)
            self.state = step.state
            self.journal.stepped(step)

    @property
    def new(self) -> tuple[Entry, ...]:
        assert self.journal.entries()[:2] == tuple(Entry(message) for message in EARLIER)
        return self.journal.entries()[2:]


def test_heard_words_have_their_times_and_unheard_words_are_stored_apart() -> None:
    session = Session()
    session.happens(0.0, SessionStarted())
    session.happens(1.0, TextTyped("tell me"))
    reply = session.state.last_reply
    session.happens(
        1.5, TokenReceived(reply), SentenceReady(reply, 0, "One two."), SentenceReady(reply, 1, "Three four.")
    )
    session.happens(2.0, PlaybackStarted(reply))
    session.happens(2.25, WordsHeard(reply, 0, 1))
    (asked, telling) = session.new
    assert asked == Entry(Message(Role.USER, "tell me"), 1.0, 1.0)
    assert telling == Entry(Message(Role.ASSISTANT, "One", interrupted=True), 2.25, 2.25, (2.25,), "two. Three four.")
    session.happens(2.5, SentencePlayed(reply, 0))
    session.happens(3.0, WordsHeard(reply, 1, 2))
    session.happens(3.1, WordsTakenBack(reply, 1, 1))
    session.happens(3.25, InterruptPressed())
    session.happens(3.5, ReplyEnded(reply))
    (_, told) = session.new
    assert told == Entry(
        Message(Role.ASSISTANT, "One two. Three", interrupted=True), 2.25, 3.0, (2.25, 2.5, 3.0), "four."
    )


def test_an_interrupted_reply_keeps_its_times_when_the_next_begins_in_the_same_step() -> None:
    session = Session()
    session.happens(1.0, TextTyped("tell me"))
    reply = session.state.last_reply
    session.happens(1.5, TokenReceived(reply), SentenceReady(reply, 0, "One two three."))
    session.happens(2.0, PlaybackStarted(reply), WordsHeard(reply, 0, 1))
    session.happens(3.0, TextTyped("no, this"))
    session.happens(3.5, ReplyEnded(reply))
    assert session.state.last_reply == reply + 1
    assert session.new == (
        Entry(Message(Role.USER, "tell me"), 1.0, 1.0),
        Entry(Message(Role.ASSISTANT, "One", interrupted=True), 2.0, 2.0, (2.0,), "two three."),
        Entry(Message(Role.USER, "no, this"), 3.0, 3.0),
    )


def test_a_spoken_message_lasts_from_the_start_of_speech_to_the_start_of_silence() -> None:
    session = Session()
    session.happens(0.0, SessionStarted())
    session.happens(4.0, SpeechStarted(1))
    session.happens(5.5, SpeechEnded(1, silence_s=0.5))
    session.happens(5.75, FinalTranscript(1, "what time is it"))
    reply = session.state.last_reply
    assert session.new == (Entry(Message(Role.USER, "what time is it"), 4.0, 5.0),)
    # Nothing of the answer was heard: more words join the message
    session.happens(6.0, SpeechStarted(2))
    session.happens(7.5, SpeechEnded(2, silence_s=0.5))
    session.happens(7.75, FinalTranscript(2, "in Tokyo please"))
    session.happens(8.0, ReplyEnded(reply))
    assert session.new == (Entry(Message(Role.USER, "what time is it in Tokyo please"), 4.0, 7.0),)
    # Noise is no message, and lends its time to none
    reply = session.state.last_reply
    session.happens(9.0, TokenReceived(reply), SentenceReady(reply, 0, "Noon."), TextEnded(reply))
    session.happens(9.5, PlaybackStarted(reply), WordsHeard(reply, 0, 1), SentencePlayed(reply, 0), ReplyEnded(reply))
    session.happens(10.0, SpeechStarted(3))
    session.happens(11.0, SpeechEnded(3, silence_s=0.5), FinalTranscript(3, ""))
    session.happens(12.0, TextTyped("thanks"))
    assert [(entry.began_s, entry.ended_s) for entry in session.new] == [(4.0, 7.0), (9.5, 9.5), (12.0, 12.0)]


def test_a_partial_transcript_has_its_times_when_the_final_one_never_comes() -> None:
    session = Session()
    session.happens(4.0, SpeechStarted(1), PartialTranscript(1, "what time"))
    session.happens(5.5, SpeechEnded(1, silence_s=0.5))
    token = dict(session.state.timers)[Timer.TRANSCRIPT]
    session.happens(15.5, TimedOut(Timer.TRANSCRIPT, token))
    assert session.new == (Entry(Message(Role.USER, "what time"), 4.0, 5.0),)


def test_events_include_inputs_phases_and_verdicts_up_to_a_maximum_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_EVENTS", 12)
    session = Session()
    session.happens(0.0, SessionStarted())
    session.happens(1.0, TextTyped("tell me"))
    reply = session.state.last_reply
    session.happens(1.25, TokenReceived(reply), SentenceReady(reply, 0, "One two three four."))
    session.happens(2.0, PlaybackStarted(reply), WordsHeard(reply, 0, 2))
    session.happens(3.0, SpeechStarted(1))
    session.happens(4.0, SpeechEnded(1, silence_s=0.5), FinalTranscript(1, "stop"))
    session.happens(4.5, ReplyEnded(reply))
    told = events(session.journal)
    assert told.forgotten > 0
    assert len(told.events) == 12
    (verdict,) = (event for event in told.events if event.kind == "verdict")
    assert (verdict.at_s, verdict.name, verdict.details["rule"]) == (4.0, "regenerate", "stop word")
    assert [event.name for event in told.events if event.kind == "phase"][-1] == Phase.IDLE.value
    final = next(event for event in told.events if event.name == "final_transcript")
    assert final.details["text"] == "stop"
    (turn,) = timings(session.journal).turns
    assert (turn.speech_ended_s, turn.typed, turn.response_gap_ms) == (1.0, True, 1_000)
    assert [step.name for step in turn.steps][-1] == "first frame"


def test_a_copy_of_the_journal_does_not_change_with_the_session() -> None:
    session = Session()
    session.happens(1.0, TextTyped("tell me"))
    copied = session.journal.copy()
    entries, count = copied.entries(), len(copied.events)
    session.happens(2.0, InterruptPressed(), TextTyped("no, this"))
    assert (copied.entries(), len(copied.events)) == (entries, count)
