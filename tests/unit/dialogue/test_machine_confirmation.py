"""A tool that needs the user's yes is called only after a clear yes to the whole question."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.errors import engine_error
from tests.support.machine_session import Session, bot, user
from tests.support.tool_calls import BOOK, QUESTION, REQUEST, asked, asking, changes, finish, run, say, start_of
from voicebot.dialogue.confirmation import NO_ANSWER, NOT_BEGUN, NOT_HEARD
from voicebot.dialogue.events import (
    AudioReceived,
    CancelReply,
    ConfirmationAsked,
    ConversationCleared,
    FinalTranscript,
    Input,
    InterruptPressed,
    PartialTranscript,
    PlaybackFinished,
    PlaybackStarted,
    ReplyEnded,
    ReplyRefused,
    ResumePlayback,
    SayRequested,
    SentencePlayed,
    SentenceReady,
    SessionStarted,
    SpeechContinued,
    SpeechEnded,
    SpeechPaused,
    SpeechStarted,
    StartReply,
    TextEnded,
    TextTyped,
    Timer,
    ToolCallBegun,
    WordsHeard,
)
from voicebot.dialogue.facts import ConfirmationPending, ToolCallConfirmed
from voicebot.dialogue.interruption.verdict import Speech
from voicebot.dialogue.preferences import InterruptedHistory
from voicebot.dialogue.state import Phase, Rules
from voicebot.dialogue.tool_calls import CallRecord, CallStatus, ConfirmationRequest
from voicebot.languages.prompts import ask_again, still_there

CONFIRMED = replace(BOOK, position=1)
"""The call as the reply gets it: it was made after the user's first message."""


def declined(result: str, position: int = 1) -> CallRecord:
    return replace(BOOK, status=CallStatus.NOT_CONFIRMED, result=result, position=position)


def answered(words: str) -> CallRecord:
    return declined(f"The tool did not run: the user was asked and answered “{words}”, which is no clear yes.")


def doubted(words: str) -> CallRecord:
    why = "was heard, but it began before the question was over or long after it, or may be an echo or a noise."
    return declined(f"The tool did not run: “{words}” {why}")


# The answer -----------------------------------------------------------------------------------------------------------


def test_a_clear_yes_after_the_whole_question_gives_the_reply_the_call() -> None:
    session = asked()
    assert [fact for fact in session.facts if isinstance(fact, ConfirmationPending)] == [
        ConfirmationPending(replace(REQUEST, call=CONFIRMED))
    ]
    start = say(session, "Yes, please.")
    assert start == StartReply(
        2, (user("book a table for two"), bot(QUESTION), user("Yes, please.")), confirmed=CONFIRMED
    )
    assert ToolCallConfirmed(2, CONFIRMED) in session.facts
    assert session.state.confirmation is None
    assert session.state.calls == ()


@pytest.mark.parametrize("words", ["no", "uh-huh", "okay", "yes but for three", "Yes?", "what does it cost"])
def test_anything_else_is_kept_as_a_call_that_was_not_confirmed_with_the_words(words: str) -> None:
    session = asked()
    start = say(session, words)
    assert start.confirmed is None
    assert start.calls == session.state.calls == (answered(words),)
    assert changes(session) == [answered(words)]
    assert session.state.confirmation is None


def test_a_typed_yes_counts_as_a_spoken_one() -> None:
    session = asked()
    assert start_of(session.post(TextTyped("yes"))).confirmed == CONFIRMED


def test_several_utterances_are_one_answer() -> None:
    session = asked()
    session.post(SpeechStarted(2), SpeechEnded(2), FinalTranscript(2, "yes"))
    assert say(session, "please").confirmed == CONFIRMED
    session = asked()
    session.post(SpeechStarted(2), SpeechEnded(2), FinalTranscript(2, "yes"))
    start = say(session, "but not today")
    assert (start.confirmed, start.calls) == (None, (answered("yes but not today"),))


def test_a_second_yes_confirms_nothing() -> None:
    session = asked()
    say(session, "yes")
    run(session, CONFIRMED)
    session.answer("It is booked.")
    finish(session)
    session.now_s += 1.0
    assert say(session, "yes").confirmed is None


# What was heard of the question ---------------------------------------------------------------------------------------


def test_a_yes_over_the_question_ends_it_and_confirms_nothing() -> None:
    session = asking()
    session.post(WordsHeard(1, 0, 6), SpeechStarted(2), SpeechEnded(2))
    assert CancelReply(1) in session.post(FinalTranscript(2, "yes"))
    session.post(ReplyEnded(1))
    assert changes(session) == [declined(NOT_HEARD)]
    start = start_of(session.time_out(Timer.DEBOUNCE))
    assert (start.confirmed, start.calls) == (None, (declined(NOT_HEARD),))
    assert start.history[-2:] == (bot("Shall I book a table for", interrupted=True), user("yes"))


def test_a_yes_that_began_before_the_last_sample_confirms_nothing() -> None:
    session = asked()
    assert say(session, "yes", since_s=0.7).calls == (doubted("yes"),)


def test_a_backchannel_over_the_question_is_no_answer_and_a_yes_after_it_counts() -> None:
    session = asking()
    session.post(WordsHeard(1, 0, 3), SpeechStarted(2), SpeechEnded(2))
    assert ResumePlayback(1) in session.post(FinalTranscript(2, "okay"))
    finish(session)
    session.now_s += 0.5
    assert say(session, "yes").confirmed == CONFIRMED


def test_a_backchannel_over_the_question_that_goes_on_as_a_yes_confirms_nothing() -> None:
    session = asking()
    session.post(WordsHeard(1, 0, 3), SpeechStarted(2), SpeechPaused(2, 1), PartialTranscript(2, "okay", pause=1))
    finish(session)
    session.post(SpeechContinued(2), SpeechEnded(2), FinalTranscript(2, "okay yes do it"))
    assert session.time_out(Timer.DEBOUNCE) == []
    session.now_s += 0.5
    assert say(session, "yes").confirmed == CONFIRMED, "the question must still wait for its answer"


def test_a_question_of_which_nothing_was_heard_leaves_nothing() -> None:
    session = Session()
    session.ask("book a table for two")
    session.post(ConfirmationAsked(1, REQUEST))
    session.answer_quietly(QUESTION)
    session.post(SpeechStarted(2), SpeechEnded(2), FinalTranscript(2, "at eight"), ReplyEnded(1))
    start = start_of(session.time_out(Timer.DEBOUNCE))
    assert start == StartReply(2, (user("book a table for two at eight"),))
    assert session.state.calls == ()


def test_a_question_that_the_history_forgets_leaves_nothing() -> None:
    session = asking(Rules(preemptive_replies=False, interrupted_history=InterruptedHistory.MERGE))
    session.post(WordsHeard(1, 0, 3), SpeechStarted(2), SpeechEnded(2), FinalTranscript(2, "no for three"))
    session.post(ReplyEnded(1))
    start = start_of(session.time_out(Timer.DEBOUNCE))
    assert start == StartReply(2, (user("book a table for two no for three"),))


@pytest.mark.parametrize(
    "end",
    [
        (TextEnded(1), PlaybackStarted(1), SentencePlayed(1, 0, broken=True), PlaybackFinished(1)),
        (WordsHeard(1, 0, 7), TextEnded(1), SentencePlayed(1, 0, broken=True), PlaybackFinished(1)),
        (PlaybackStarted(1), SentencePlayed(1, 0), PlaybackFinished(1)),
        (TextEnded(1, engine_error("it broke")), PlaybackStarted(1), SentencePlayed(1, 0), PlaybackFinished(1)),
        (
            SentenceReady(1, 1, "Or would you rather have a table for three?"),
            *(TextEnded(1), PlaybackStarted(1), SentencePlayed(1, 0), SentencePlayed(1, 1), PlaybackFinished(1)),
        ),
    ],
    ids=[
        "its sound breaks off",
        "the sound of its last word breaks off",
        "its text does not end",
        "the agent fails",
        "it is not the end of the reply",
    ],
)
def test_a_question_that_was_not_heard_as_the_end_of_the_reply_confirms_nothing(end: tuple[Input, ...]) -> None:
    session = Session()
    session.ask("book a table for two")
    session.post(ConfirmationAsked(1, REQUEST), SentenceReady(1, 0, QUESTION), WordsHeard(1, 0, 3), *end)
    session.post(ReplyEnded(1))
    session.now_s += 0.5
    start = say(session, "yes")
    assert (start.confirmed, start.calls) == (None, (declined(NOT_HEARD),))


def test_another_engine_that_answers_instead_does_not_ask_the_question_of_the_first() -> None:
    session = Session()
    session.ask("book a table for two")
    session.post(ConfirmationAsked(1, REQUEST))
    session.answer("There is no table.")
    finish(session)
    session.now_s += 0.5
    start = say(session, "yes")
    assert (start.confirmed, start.calls) == (None, (declined(NOT_HEARD),))
    other = ConfirmationRequest(replace(BOOK, id="book-2"), QUESTION)
    session = Session()
    session.ask("book a table for two")
    session.post(ConfirmationAsked(1, REQUEST), ConfirmationAsked(1, other))
    session.answer(QUESTION)
    finish(session)
    session.now_s += 0.5
    start = say(session, "yes")
    assert start.confirmed == replace(other.call, position=1)


def test_a_question_that_is_asked_after_the_sound_has_ended_confirms_nothing() -> None:
    session = Session()
    session.ask("book a table for two")
    session.answer(QUESTION)
    session.post(SentencePlayed(1, 0), PlaybackFinished(1), ConfirmationAsked(1, REQUEST), ReplyEnded(1))
    session.now_s += 0.5
    assert say(session, "yes").confirmed is None


def test_a_refusal_asks_nothing() -> None:
    session = Session()
    session.ask("book a table for two")
    session.post(ReplyRefused(1, "no more today"), ConfirmationAsked(1, REQUEST))
    session.answer(QUESTION)
    finish(session)
    assert session.state.confirmation is None


# How the yes was said -------------------------------------------------------------------------------------------------


def test_a_sound_that_is_nearly_a_backchannel_or_a_noise_confirms_nothing() -> None:
    for backchannel, confidence, clear in (
        ("", None, True),
        ("", 0.9, True),
        ("Uh-huh.", 0.9, False),
        ("", 0.4, False),
    ):
        session = asked()
        session.post(SpeechStarted(2), SpeechEnded(2))
        session.post(FinalTranscript(2, "Yeah.", confidence=confidence, backchannel=backchannel))
        start = start_of(session.time_out(Timer.DEBOUNCE))
        assert (start.confirmed is not None) == clear, (backchannel, confidence)
        assert start.calls == (() if clear else (doubted("Yeah."),))


def test_the_last_words_of_the_question_may_be_its_echo_unless_the_sound_is_none() -> None:
    question = "Shall I book a table for two? Please say yes or no, yes?"
    for pause_s, echo, clear in ((0.1, None, False), (0.1, 0.3, False), (0.1, 0.0, True), (1.0, None, True)):
        session = Session()
        session.ask("book a table for two")
        session.post(ConfirmationAsked(1, replace(REQUEST, question=question)))
        session.answer(question)
        finish(session)
        session.now_s += pause_s
        start = say(session, "yes", speech=Speech(duration_s=0.3, echo=echo))
        assert (start.confirmed is not None) == clear, (pause_s, echo)


# Preemptive replies ---------------------------------------------------------------------------------------------------


def preemptive_answer(words: str) -> tuple[Session, StartReply]:
    """Returns a session in which a preemptive reply to the `words` was begun."""
    session = asked(Rules())
    return session, start_of(session.post(SpeechStarted(2), SpeechPaused(2, 1), PartialTranscript(2, words, pause=1)))


def test_a_preemptive_reply_gets_the_call_and_uses_the_yes_up_when_it_is_committed() -> None:
    session, start = preemptive_answer("yes")
    assert (start.preemptive, start.confirmed) == (True, CONFIRMED)
    assert session.state.confirmation is not None
    assert ToolCallConfirmed(2, CONFIRMED) not in session.facts
    session.post(PartialTranscript(2, "Yes.", pause=1), SpeechEnded(2, 1.5))
    assert ToolCallConfirmed(2, CONFIRMED) in session.facts
    assert session.state.confirmation is None


def test_a_discarded_preemptive_reply_uses_nothing_up() -> None:
    session, _ = preemptive_answer("yes")
    session.post(SpeechContinued(2), PartialTranscript(2, "yes please"), ReplyEnded(2), SpeechEnded(2, 1.5))
    start = start_of(session.post(FinalTranscript(2, "Yes, please.")))
    assert (start.reply, start.confirmed) == (3, CONFIRMED)
    session, start = preemptive_answer("no")
    assert start.calls == (answered("no"),)
    assert session.state.calls == ()
    session.post(SpeechContinued(2), PartialTranscript(2, "no wait"), ReplyEnded(2), SpeechEnded(2, 1.5))
    start = start_of(session.post(FinalTranscript(2, "No wait, yes.")))
    assert start.calls == session.state.calls == (answered("No wait, yes."),)


def test_words_that_are_written_otherwise_and_no_clear_yes_any_more_discard_the_preemptive_reply() -> None:
    session, start = preemptive_answer("yes")
    assert start.confirmed == CONFIRMED
    assert CancelReply(2) in session.post(PartialTranscript(2, "Yes?", pause=1))
    start = start_of(session.post(SpeechEnded(2, 1.5), ReplyEnded(2)))
    assert (start.confirmed, start.calls) == (None, (answered("Yes?"),))


def test_the_words_of_a_no_are_kept_as_they_are_written_at_last() -> None:
    session, _ = preemptive_answer("no not now")
    session.post(PartialTranscript(2, "No, not now.", pause=1), SpeechEnded(2, 1.5))
    assert session.state.calls == (answered("No, not now."),)


# No answer ------------------------------------------------------------------------------------------------------------


def test_the_request_to_say_it_again_keeps_the_question() -> None:
    session = asked()
    session.now_s += 50
    session.post(SpeechStarted(2), SpeechEnded(2, speech=Speech(duration_s=1.0)), FinalTranscript(2, ""))
    assert start_of(session.time_out(Timer.DEBOUNCE)).text == ask_again("en")
    session.answer(ask_again("en"))
    finish(session)
    session.now_s += 50
    assert say(session, "yes").confirmed == CONFIRMED


def test_a_yes_to_the_question_whether_the_user_is_there_confirms_nothing() -> None:
    session = Session(Rules(preemptive_replies=False, idle_timeout_s=60))
    session.post(SessionStarted())
    session.ask("book a table for two")
    session.post(ConfirmationAsked(1, REQUEST))
    session.answer(QUESTION)
    finish(session)
    assert start_of(session.time_out(Timer.IDLE)).text == still_there("en")
    assert changes(session) == [declined(NO_ANSWER)]
    session.answer(still_there("en"))
    finish(session)
    session.now_s += 0.5
    start = say(session, "yes")
    assert (start.confirmed, start.calls) == (None, (declined(NO_ANSWER),))


def test_a_question_that_nobody_answers_for_a_minute_is_dropped_and_a_later_yes_confirms_nothing() -> None:
    session = asked()
    assert session.started[Timer.CONFIRMATION].delay_s == pytest.approx(60, abs=0.1)
    session.post(SayRequested("Your taxi is here."))
    session.now_s += 60
    assert start_of(session.time_out(Timer.CONFIRMATION)).text == "Your taxi is here.", "texts wait no longer"
    assert changes(session) == [declined(NO_ANSWER)]
    session.answer("Your taxi is here.")
    finish(session)
    session.now_s += 1.0
    start = say(session, "yes")
    assert (start.confirmed, start.calls) == (None, (declined(NO_ANSWER),))


def test_an_answer_that_begins_within_the_minute_counts_however_long_it_takes() -> None:
    session = asked()
    session.now_s += 59
    session.post(SpeechStarted(2))
    assert Timer.CONFIRMATION not in dict(session.state.timers)
    session.now_s += 10
    session.post(SpeechEnded(2), FinalTranscript(2, "Yes, please."))
    assert start_of(session.time_out(Timer.DEBOUNCE)).confirmed == CONFIRMED


@pytest.mark.parametrize("typed", [False, True])
def test_a_yes_after_a_minute_of_noise_confirms_nothing(typed: bool) -> None:
    session = asked()
    session.post(SpeechStarted(2))
    session.now_s += 61
    if typed:
        session.post(TextTyped("Yes."), SpeechEnded(2), FinalTranscript(2, ""))
    else:
        session.post(SpeechStarted(3), SpeechEnded(2), FinalTranscript(2, ""), SpeechEnded(3))
        session.post(FinalTranscript(3, "Yes."))
    start = start_of(session.time_out(Timer.DEBOUNCE))
    assert (start.confirmed, start.calls) == (None, (doubted("Yes."),))


def test_the_stop_button_drops_the_question() -> None:
    session = asked()
    session.post(InterruptPressed())
    assert session.state.calls == (declined(NO_ANSWER),)
    assert say(session, "yes").confirmed is None


def test_a_new_conversation_drops_the_question_and_all_calls() -> None:
    session = asked()
    session.post(ConversationCleared())
    assert (session.state.confirmation, session.state.calls) == (None, ())
    start = say(session, "yes")
    assert start == StartReply(2, (user("yes"),))
    session = asking()
    session.post(WordsHeard(1, 0, 3), ConversationCleared(), ReplyEnded(1))
    assert session.state.calls == ()


# A yes whose call does not begin --------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", [ReplyEnded(2), ReplyEnded(2, engine_error("it broke"))], ids=["ends", "fails"])
def test_a_reply_that_ends_before_the_confirmed_call_has_begun_leaves_a_record(end: Input) -> None:
    session = asked()
    say(session, "yes")
    session.post(end)
    assert session.state.calls == (declined(NOT_BEGUN, position=3),)


def test_more_words_before_the_confirmed_call_has_begun_are_a_message_of_their_own() -> None:
    session = asked()
    say(session, "yes")
    session.post(SpeechStarted(3), SpeechEnded(3), FinalTranscript(3, "but for three"), ReplyEnded(2))
    start = start_of(session.time_out(Timer.DEBOUNCE))
    assert (start.confirmed, start.calls) == (None, (declined(NOT_BEGUN, position=3),))
    assert start.history[-2:] == (user("yes"), user("but for three"))


def test_a_call_that_begins_just_before_its_reply_is_cancelled_is_running() -> None:
    session = asked()
    say(session, "yes")
    session.post(InterruptPressed(), ToolCallBegun(2, CONFIRMED), ReplyEnded(2))
    assert session.state.calls == (replace(CONFIRMED, position=3),)
    session = asked()
    say(session, "yes")
    session.post(InterruptPressed(), ReplyEnded(2), ToolCallBegun(2, CONFIRMED))
    assert session.state.calls == (replace(CONFIRMED, position=3),), "it has begun after all"
    assert session.state.phase is Phase.IDLE


def test_a_wrong_start_of_the_reply_to_a_yes_does_not_confirm_again() -> None:
    session = asked()
    say(session, "yes")
    run(session, CONFIRMED)
    session.post(SentenceReady(2, 0, "It is booked for two."), AudioReceived(2, 0), PlaybackStarted(2))
    session.post(SpeechStarted(3), SpeechEnded(3), FinalTranscript(3, "in the garden"), ReplyEnded(2))
    start = start_of(session.time_out(Timer.DEBOUNCE))
    assert start.confirmed is None
    assert start.history[-2:] == (user("yes"), user("in the garden"))
