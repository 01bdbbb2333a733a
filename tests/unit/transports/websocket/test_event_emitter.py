"""The events of a session that a client gets, and when it gets them."""

from __future__ import annotations

import pytest

from tests.support.steps import taken
from voicebot.dialogue.events import (
    FinalTranscript,
    Input,
    InterruptPressed,
    PartialTranscript,
    ReplyEnded,
    SentenceReady,
    SpeechContinued,
    SpeechEnded,
    SpeechPaused,
    SpeechStarted,
    TextEnded,
    TextReceived,
    TextTyped,
    TimedOut,
    Timer,
)
from voicebot.dialogue.interruption.verdict import Speech
from voicebot.dialogue.state import Rules, State
from voicebot.session.messages import (
    AsrFinal,
    AsrPartial,
    LlmDelta,
    LlmFinal,
    ServerMessage,
    StateMessage,
    VerdictMessage,
)
from voicebot.transports.websocket.event_emitter import EventEmitter

SPEECH = Speech(duration_s=1.0)


class Session:
    """The machine, and an emitter that gets each of its steps."""

    def __init__(self) -> None:
        self.state = State(rules=Rules(debounce_s=0.0))
        self.sent: list[ServerMessage] = []
        self.emitter = EventEmitter(self)

    def send(self, message: ServerMessage) -> None:
        self.sent.append(message)

    def post(self, *inputs: Input) -> None:
        for input in inputs:
            step = taken(self.state, input, 1.0)
            self.state = step.state
            self.emitter.stepped(step)

    @property
    def texts(self) -> list[str]:
        return [each.text for each in self.sent if isinstance(each, LlmDelta | LlmFinal)]


def test_the_text_of_a_preemptive_reply_is_sent_only_once_the_reply_is_wanted() -> None:
    session = Session()
    session.post(SpeechStarted(1), SpeechPaused(1, 1, 0.2, SPEECH), PartialTranscript(1, "good day", 1))
    session.post(TextReceived(1, "For "))
    session.post(TextReceived(1, "nothing."))
    session.post(SpeechContinued(1), SpeechPaused(1, 2, 0.2, SPEECH), PartialTranscript(1, "good day to you", 2))
    session.post(ReplyEnded(1))
    assert session.state.last_reply == 2, "a second reply must answer all words"
    session.post(TextReceived(2, "Good "))
    assert session.texts == []
    session.post(SpeechEnded(1, 1.5, SPEECH))
    assert session.texts == ["Good "]
    session.post(TextReceived(2, "d"))
    session.post(TextReceived(2, "ay."))
    assert session.texts == ["Good ", "d", "ay."]
    session.post(SentenceReady(2, 0, "Good day."), TextEnded(2))
    assert session.texts == ["Good ", "d", "ay.", "Good day."]


def test_the_whole_text_of_a_preemptive_reply_is_sent_when_the_turn_has_ended() -> None:
    session = Session()
    session.post(SpeechStarted(1), SpeechPaused(1, 1, 0.2, SPEECH), PartialTranscript(1, "good day", 1))
    session.post(TextReceived(1, "Hello."))
    session.post(SentenceReady(1, 0, "Hello."), TextEnded(1))
    assert session.texts == []
    session.post(SpeechEnded(1, 1.5, SPEECH))
    assert session.texts == ["Hello.", "Hello."]


@pytest.mark.parametrize("has_ended", [False, True])
def test_a_reply_that_was_cut_sends_no_further_text(has_ended: bool) -> None:
    session = Session()
    session.post(TextTyped("hello"))
    session.post(TextReceived(1, "Good "))
    session.post(InterruptPressed(), *[ReplyEnded(1)] * has_ended)
    session.post(TextReceived(1, "day."))
    session.post(TextEnded(1))
    assert session.texts == ["Good "]


def test_words_are_sent_as_they_change_and_once_they_are_final() -> None:
    session = Session()
    session.post(SpeechStarted(1), *[PartialTranscript(1, text) for text in ("good", "good", " good  day ")])
    session.post(SpeechEnded(1, 0.6, SPEECH), FinalTranscript(1, "good day"))
    words = [each for each in session.sent if isinstance(each, AsrPartial | AsrFinal)]
    assert words == [
        AsrPartial(utterance=1, text="good"),
        AsrPartial(utterance=1, text="good day"),
        AsrFinal(utterance=1, text="good day"),
    ]


def test_a_transcript_that_is_too_late_ends_with_the_words_known_by_then() -> None:
    session = Session()
    session.post(SpeechStarted(1), PartialTranscript(1, "good"), SpeechEnded(1, 0.6, SPEECH))
    session.post(TimedOut(Timer.TRANSCRIPT, dict(session.state.timers)[Timer.TRANSCRIPT]))
    assert [each for each in session.sent if isinstance(each, AsrFinal)] == [AsrFinal(utterance=1, text="good")]


def test_the_words_of_an_interruption_are_final_before_the_verdict_on_them() -> None:
    session = Session()
    session.post(TextTyped("hello"), SpeechStarted(1), SpeechEnded(1, 0.6, SPEECH), FinalTranscript(1, "stop"))
    kinds = [type(each) for each in session.sent if isinstance(each, AsrFinal | VerdictMessage)]
    assert kinds == [AsrFinal, VerdictMessage]


def test_a_status_is_sent_when_it_changes_and_not_again() -> None:
    session = Session()
    session.post(TextTyped("hello"), SentenceReady(1, 0, "Hi."), SentenceReady(1, 1, "Ho."))
    phases = [(each.phase, each.tts) for each in session.sent if isinstance(each, StateMessage)]
    assert phases == [("thinking", "idle"), ("thinking", "processing")]
