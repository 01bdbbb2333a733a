"""The day's turns are used up: the user is told in place of an answer, and then the session ends."""

from __future__ import annotations

from tests.support.errors import engine_error
from tests.support.machine_session import Session, bot, user
from voicebot.dialogue.events import (
    CancelReply,
    Command,
    EndCause,
    FinalTranscript,
    InterruptPressed,
    PartialTranscript,
    PlaybackFinished,
    PlaybackStarted,
    ReplyEnded,
    ReplyRefused,
    ResumePlayback,
    SentencePlayed,
    SessionStarted,
    SpeechContinued,
    SpeechEnded,
    SpeechPaused,
    SpeechStarted,
    StartReply,
    TextEnded,
    TextTyped,
    Timer,
    WordsHeard,
)
from voicebot.dialogue.facts import ConversationEnded
from voicebot.dialogue.state import Phase, Rules

REASON = "The bot has given all its answers for today."
FAREWELL = "I have given all my answers for today. Goodbye!"
END = ConversationEnded(REASON, EndCause.DAY)


def refused(rules: Rules | None = None) -> Session:
    """The user asked something, and the bot begins to say that it has no answers left."""
    session = Session(rules or Rules(preemptive_replies=False, idle_timeout_s=120))
    session.post(SessionStarted())
    session.ask("what is new")
    session.post(ReplyRefused(1, REASON))
    session.answer(FAREWELL)
    return session


def heard_out(session: Session) -> list[Command]:
    reply = session.state.last_reply
    return session.post(SentencePlayed(reply, 0), PlaybackFinished(reply), ReplyEnded(reply))


def ends(session: Session) -> list[ConversationEnded]:
    """The endings of the session since this was asked last."""
    found = [fact for fact in session.facts if isinstance(fact, ConversationEnded)]
    session.facts.clear()
    return found


def test_the_session_ends_once_the_refusal_was_heard() -> None:
    session = refused()
    assert session.state.phase is Phase.SPEAKING
    assert heard_out(session) == []
    assert ends(session) == [END]
    assert session.state.history == (user("what is new"), bot(FAREWELL))
    assert Timer.IDLE not in dict(session.state.timers), "nobody is waited for"


def test_a_refusal_counts_as_no_answered_turn() -> None:
    session = refused()
    heard_out(session)
    assert session.state.turns == ()


def test_speech_over_the_refusal_is_recorded_but_not_answered() -> None:
    session = refused()
    session.post(WordsHeard(1, 0, 4), SpeechStarted(2), SpeechEnded(2))
    commands = session.post(FinalTranscript(2, "but what about tomorrow"))
    assert CancelReply(1) in commands
    session.post(ReplyEnded(1))
    assert ends(session) == []
    assert session.time_out(Timer.DEBOUNCE) == []
    assert ends(session) == [END]
    assert session.state.history == (
        user("what is new"),
        bot("I have given all", interrupted=True),
        user("but what about tomorrow"),
    )


def test_a_backchannel_over_the_refusal_changes_nothing() -> None:
    session = refused()
    session.post(WordsHeard(1, 0, 4), SpeechStarted(2), SpeechEnded(2))
    assert ResumePlayback(1) in session.post(FinalTranscript(2, "uh-huh"))
    heard_out(session)
    assert ends(session) == [END]


def test_the_session_ends_when_the_interrupt_button_silences_the_refusal() -> None:
    session = refused()
    session.post(InterruptPressed())
    assert session.post(ReplyEnded(1)) == []
    assert ends(session) == [END]


def test_the_session_ends_even_if_the_refusal_has_no_audio() -> None:
    session = Session()
    session.ask("what is new")
    session.post(ReplyRefused(1, REASON), TextEnded(1))
    assert session.post(ReplyEnded(1, engine_error("espeak: there is no voice"))) == []
    assert ends(session) == [END]
    assert session.state.history == (user("what is new"),)


def test_words_said_before_the_refusal_is_heard_join_the_question_and_are_refused() -> None:
    session = Session()
    session.ask("what is new")
    session.post(ReplyRefused(1, REASON), SpeechStarted(2), SpeechEnded(2), FinalTranscript(2, "in Paris"))
    session.post(ReplyEnded(1))
    (start,) = session.time_out(Timer.DEBOUNCE)
    assert start == StartReply(2, (user("what is new in Paris"),))
    session.post(ReplyRefused(2, REASON))
    session.answer(FAREWELL)
    assert heard_out(session) == []
    assert ends(session) == [END]


def test_a_refused_preemptive_reply_is_discarded_when_more_words_come() -> None:
    session = Session(Rules())
    session.post(SpeechStarted(1), SpeechPaused(1, 1), PartialTranscript(1, "what is new", pause=1))
    assert session.state.last_reply == 1
    session.post(ReplyRefused(1, REASON))
    session.answer_quietly(FAREWELL)
    session.post(SpeechContinued(1), SpeechEnded(1), FinalTranscript(1, "what is new in Paris"))
    commands = session.post(ReplyEnded(1)) + session.time_out(Timer.DEBOUNCE)
    assert StartReply(2, (user("what is new in Paris"),), preemptive=True) in commands
    assert ends(session) == []
    assert session.state.refused is None


def test_text_typed_after_the_refusal_is_recorded_and_ends_the_session_again() -> None:
    session = refused()
    heard_out(session)
    assert ends(session) == [END]
    session.post(TextTyped("hello?"))
    assert ends(session) == [END]
    assert session.state.history[-1] == user("hello?")


def test_a_noise_after_the_refusal_does_not_end_the_session_again() -> None:
    session = refused()
    assert heard_out(session) == []
    assert ends(session) == [END]
    session.post(SpeechStarted(2), SpeechEnded(2), FinalTranscript(2, ""))
    session.time_out(Timer.DEBOUNCE)
    assert ends(session) == []
    assert session.state.is_idle


def test_late_inputs_of_a_reply_that_is_over_change_nothing() -> None:
    session = Session()
    session.ask("what is new")
    session.answer("This and that.")
    heard_out(session)
    assert session.post(ReplyRefused(1, REASON), PlaybackStarted(1)) == []
    assert session.state.refused is None
