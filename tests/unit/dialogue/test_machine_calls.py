"""The calls of tools with effects: their place in the conversation, their end, and whether the user was told of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.errors import engine_error
from tests.support.machine_session import Session, bot, user
from tests.support.tool_calls import BOOK, MILK, QUESTION, REQUEST, changes, done, finish, run, say, start_of
from voicebot.dialogue.events import (
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
    SentencePlayed,
    SentenceReady,
    SpeechEnded,
    SpeechPaused,
    SpeechStarted,
    StartReply,
    TextEnded,
    TextTyped,
    Timer,
    TokenReceived,
    ToolCallBegun,
    ToolCallEnded,
    WordsHeard,
)
from voicebot.dialogue.history import History
from voicebot.dialogue.preferences import InterruptedHistory
from voicebot.dialogue.state import MAX_KEPT_CALLS, Rules
from voicebot.dialogue.tool_calls import CallRecord, CallStatus


def shopping(rules: Rules | None = None) -> Session:
    """Returns a session in which a reply is being made to "put milk on the list"."""
    session = Session(rules)
    session.ask("put milk on the list")
    return session


def told(session: Session) -> bool:
    (call,) = session.state.calls
    return call.reported


# Begin and end --------------------------------------------------------------------------------------------------------


def test_a_call_is_kept_at_the_message_that_led_to_it_and_its_end_is_noted() -> None:
    session = shopping()
    session.post(ToolCallBegun(1, MILK))
    assert session.state.calls == (replace(MILK, position=1),)
    session.post(ToolCallEnded(MILK.id, CallStatus.FAILED, "The list is full."))
    failed = replace(MILK, position=1, status=CallStatus.FAILED, result="The list is full.")
    assert session.state.calls == (failed,)
    assert changes(session) == [replace(MILK, position=1), failed]


def test_a_call_that_was_not_made_or_has_ended_cannot_end_and_none_begins_twice() -> None:
    session = shopping()
    run(session, MILK)
    before = session.state
    session.post(ToolCallEnded(MILK.id, CallStatus.UNKNOWN, "late"), ToolCallEnded("other", CallStatus.DONE, ""))
    session.post(ToolCallBegun(1, MILK), ToolCallEnded(MILK.id, CallStatus.RUNNING, ""))
    assert session.state is before


def test_the_next_reply_gets_all_calls_the_oldest_first() -> None:
    session = shopping()
    session.post(ToolCallBegun(1, MILK), ToolCallBegun(1, BOOK), ToolCallEnded(MILK.id, CallStatus.DONE, "done"))
    session.answer("Milk is on the list.")
    finish(session)
    start = say(session, "and what is the time")
    assert start.calls == (done(MILK, 1, reported=True), replace(BOOK, position=1))


def test_a_call_ends_after_its_reply_and_even_while_nobody_speaks() -> None:
    session = shopping()
    session.post(ToolCallBegun(1, MILK), InterruptPressed(), ReplyEnded(1))
    session.post(ToolCallEnded(MILK.id, CallStatus.DONE, "done"))
    assert session.state.calls == (done(MILK, 1, reported=False),)


def test_the_calls_of_a_cleared_conversation_are_forgotten_whenever_they_begin_and_end() -> None:
    session = shopping()
    session.post(ToolCallBegun(1, MILK), ConversationCleared(), ToolCallBegun(1, BOOK))
    assert session.state.calls == ()
    session.post(ToolCallEnded(MILK.id, CallStatus.DONE, "done"), ReplyEnded(1))
    assert session.state.calls == ()
    assert say(session, "hello").calls == ()


def test_no_more_calls_are_kept_than_is_useful_and_those_that_the_user_knows_of_go_first() -> None:
    session = shopping()
    first, told_of, *others = (replace(MILK, id=f"milk-{number}") for number in range(MAX_KEPT_CALLS))
    session.post(ToolCallBegun(1, first), ToolCallEnded(first.id, CallStatus.DONE, "done"), InterruptPressed())
    session.post(ReplyEnded(1), TextTyped("again"))
    run(session, told_of)
    session.post(InterruptPressed(), ReplyEnded(2))
    session.state = replace(
        session.state,
        calls=tuple(replace(call, reported=call.id == told_of.id) for call in session.state.calls),
    )
    for call in others:
        session.post(ToolCallBegun(1, call))
    kept = {call.id for call in session.state.calls}
    assert len(kept) == MAX_KEPT_CALLS
    session.post(ToolCallBegun(1, BOOK))
    assert {call.id for call in session.state.calls} == kept - {told_of.id} | {BOOK.id}
    session.post(ToolCallBegun(1, replace(BOOK, id="book-2")))
    assert first.id not in {call.id for call in session.state.calls}
    session.post(ToolCallBegun(1, replace(BOOK, id="book-3")))
    assert len(session.state.calls) == MAX_KEPT_CALLS, "the number of running calls must be bounded, too"


# Positions ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("merge", [InterruptedHistory.HEARD, InterruptedHistory.MERGE])
def test_words_after_a_call_whose_reply_was_not_heard_are_a_message_of_their_own(merge: InterruptedHistory) -> None:
    session = shopping(Rules(preemptive_replies=False, interrupted_history=merge))
    session.post(ToolCallBegun(1, MILK))
    session.post(SpeechStarted(2), SpeechEnded(2), FinalTranscript(2, "and bread"), ReplyEnded(1))
    start = start_of(session.time_out(Timer.DEBOUNCE))
    assert start == StartReply(2, (user("put milk on the list"), user("and bread")), calls=(replace(MILK, position=1),))


def test_without_a_call_they_join_the_message_as_ever_and_a_later_call_comes_after_it() -> None:
    session = shopping()
    session.post(SpeechStarted(2), SpeechEnded(2), FinalTranscript(2, "and bread"), ReplyEnded(1))
    start = start_of(session.time_out(Timer.DEBOUNCE))
    assert start.history == (user("put milk on the list and bread"),)
    session.post(ToolCallBegun(1, MILK))
    assert session.state.calls == (replace(MILK, position=1),)


def test_words_after_a_wrong_start_that_has_called_a_tool_are_a_message_of_their_own() -> None:
    session = shopping()
    run(session, MILK)
    session.answer("Milk is on the list now.")
    session.post(WordsHeard(1, 0, 2), SpeechStarted(2), SpeechEnded(2), FinalTranscript(2, "and bread"), ReplyEnded(1))
    start = start_of(session.time_out(Timer.DEBOUNCE))
    assert start.history == (user("put milk on the list"), user("and bread"))
    assert start.calls == (done(MILK, 1, reported=False),), "a wrong start reports nothing"


def test_a_call_stands_before_the_words_of_the_reply_that_made_it() -> None:
    session = shopping()
    session.post(TokenReceived(1), SentenceReady(1, 0, "One moment."), PlaybackStarted(1), SentencePlayed(1, 0))
    run(session, MILK)
    session.post(SentenceReady(1, 1, "It is on the list."), TextEnded(1))
    finish(session)
    assert session.state.history == (user("put milk on the list"), bot("One moment. It is on the list."))
    assert session.state.calls == (done(MILK, 1, reported=True),)


def test_a_preemptive_reply_that_does_not_know_of_a_call_is_discarded() -> None:
    session = Session(Rules())
    session.post(SpeechStarted(1), SpeechPaused(1, 1), PartialTranscript(1, "what time is it", pause=1))
    assert session.post(ToolCallBegun(1, MILK)) == [CancelReply(1)]
    start = start_of(session.post(ReplyEnded(1)))
    assert (start.preemptive, start.calls) == (True, (replace(MILK, position=0),))


# Reports --------------------------------------------------------------------------------------------------------------


def test_the_reply_that_made_the_call_reports_it_if_it_is_heard_to_its_end() -> None:
    session = shopping()
    run(session, MILK)
    session.answer("Milk is on the list.")
    assert not told(session), "the user has not heard it yet"
    finish(session)
    assert told(session)
    assert changes(session)[-1] == done(MILK, 1, reported=True)


def test_a_sentence_after_the_end_of_the_call_reports_it_and_one_before_does_not() -> None:
    for before_end in (True, False):
        session = shopping()
        session.post(ToolCallBegun(1, MILK))
        if not before_end:
            session.post(ToolCallEnded(MILK.id, CallStatus.DONE, "done"))
        session.post(SentenceReady(1, 0, "So."), PlaybackStarted(1), SentencePlayed(1, 0))
        if before_end:
            session.post(ToolCallEnded(MILK.id, CallStatus.DONE, "done"))
        session.post(SentenceReady(1, 1, "Anything else?"), InterruptPressed(), ReplyEnded(1))
        assert told(session) is not before_end


def test_a_sentence_that_the_model_may_have_begun_before_the_call_reports_nothing() -> None:
    session = shopping()
    session.post(TokenReceived(1))
    run(session, MILK)
    session.post(SentenceReady(1, 0, "I'll put it down."), SentenceReady(1, 1, "It is on the list."))
    session.post(PlaybackStarted(1), SentencePlayed(1, 0), InterruptPressed(), ReplyEnded(1))
    assert not told(session)


def reporting() -> Session:
    """Returns a session in which a second reply, which knows that the call of the first has ended, is being made."""
    session = shopping()
    session.post(ToolCallBegun(1, MILK), InterruptPressed(), ReplyEnded(1))
    session.post(ToolCallEnded(MILK.id, CallStatus.DONE, "done"))
    session.now_s += 2.0
    say(session, "what time is it")
    return session


@pytest.mark.parametrize(
    ("heard", "reported"),
    [
        ((SentenceReady(2, 0, "Milk is on it."), SentencePlayed(2, 0), InterruptPressed()), True),
        ((SentenceReady(2, 0, "Milk is on it."), WordsHeard(2, 0, 3), InterruptPressed()), False),
        ((SentenceReady(2, 0, "Milk is on it."), SentencePlayed(2, 0, broken=True), InterruptPressed()), False),
        ((SentenceReady(2, 0, "One moment.", filler=True), SentencePlayed(2, 0), InterruptPressed()), False),
        ((SentenceReady(2, 0, "Milk is on it."), SentencePlayed(2, 0), ConversationCleared()), None),
        (
            (
                SentenceReady(2, 0, "Sorry, it broke."),
                *(TextEnded(2, engine_error("it broke")), SentencePlayed(2, 0), PlaybackFinished(2)),
            ),
            False,
        ),
        (
            (
                *(SentenceReady(2, 0, "Milk is on it."), SentenceReady(2, 1, "Sorry, it broke.")),
                *(TextEnded(2, engine_error("it broke")), SentencePlayed(2, 0), SentencePlayed(2, 1)),
                PlaybackFinished(2),
            ),
            True,
        ),
        ((TextEnded(2), PlaybackFinished(2)), True),
        (
            (
                SentenceReady(2, 0, "Milk is on it."),
                *(TextEnded(2), SentencePlayed(2, 0, broken=True), PlaybackFinished(2)),
            ),
            False,
        ),
    ],
    ids=[
        *("a sentence", "a part of a sentence", "a broken sentence", "a filler", "a cleared conversation"),
        *("an apology", "a sentence and an apology", "the end", "a broken end"),
    ],
)
def test_an_end_is_reported_by_a_whole_sentence_or_the_whole_reply(
    heard: tuple[Input, ...], reported: bool | None
) -> None:
    session = reporting()
    session.post(PlaybackStarted(2), *heard, ReplyEnded(2))
    assert [call.reported for call in session.state.calls] == ([] if reported is None else [reported])


def test_a_question_whether_another_tool_may_be_called_reports_nothing_by_itself() -> None:
    session = reporting()
    session.post(ConfirmationAsked(2, REQUEST))
    session.answer(QUESTION)
    finish(session)
    assert not told(session)
    session = reporting()
    session.post(SentenceReady(2, 0, "Milk is on it."), ConfirmationAsked(2, REQUEST), SentenceReady(2, 1, QUESTION))
    session.post(TextEnded(2), PlaybackStarted(2))
    finish(session)
    assert told(session)


def test_a_wrong_start_reports_nothing() -> None:
    session = reporting()
    session.post(SentenceReady(2, 0, "Milk."), SentenceReady(2, 1, "It is on the list."), PlaybackStarted(2))
    session.post(SentencePlayed(2, 0), SpeechStarted(3), SpeechEnded(3), FinalTranscript(3, "in paris"), ReplyEnded(2))
    assert not told(session)
    start = start_of(session.time_out(Timer.DEBOUNCE))
    assert start.history[-1] == user("what time is it in paris")


def test_a_running_call_stays_and_the_reply_after_its_end_reports_it() -> None:
    session = shopping()
    session.post(ToolCallBegun(1, MILK), InterruptPressed(), ReplyEnded(1))
    session.now_s += 2.0
    say(session, "what time is it")
    session.post(ToolCallEnded(MILK.id, CallStatus.UNKNOWN, "It took too long."))
    session.answer("It is noon.")
    finish(session)
    assert not told(session), "the model did not know of the end"
    session.now_s += 2.0
    say(session, "thanks")
    session.answer("I don't know whether milk is on the list.")
    finish(session)
    assert told(session)


def test_a_call_that_ends_after_its_reply_was_written_or_cancelled_is_not_reported_by_it() -> None:
    for end in (TextEnded(1), InterruptPressed()):
        session = shopping()
        session.post(ToolCallBegun(1, MILK), SentenceReady(1, 0, "I'm on it."), PlaybackStarted(1), end)
        session.post(ToolCallEnded(MILK.id, CallStatus.DONE, "done"), SentencePlayed(1, 0), PlaybackFinished(1))
        session.post(ReplyEnded(1))
        assert not told(session)


def test_what_was_reported_is_not_reported_again() -> None:
    session = reporting()
    session.answer("Milk is on the list.")
    finish(session)
    assert told(session)
    before = len(changes(session))
    session.now_s += 2.0
    say(session, "thanks")
    session.answer("You're welcome.")
    finish(session)
    assert len(changes(session)) == before


def test_a_conversation_that_goes_on_keeps_its_calls_and_reports_what_ended_meanwhile() -> None:
    history: History = (user("put milk on the list"),)
    stored: CallRecord = done(MILK, 1, reported=False)
    session = Session()
    session.state = replace(session.state, history=history, calls=(stored,), merge_next=False)
    start = say(session, "hello")
    assert start == StartReply(1, (*history, user("hello")), calls=(stored,))
    session.answer("Milk is on the list.")
    finish(session)
    assert told(session)


# A cancelled reply that does not stop ---------------------------------------------------------------------------------


def test_a_call_that_the_reply_before_begins_late_does_not_count_as_one_of_the_next_reply() -> None:
    session = Session()
    session.ask("put milk on the list")
    session.post(TextTyped("what time is it"), ReplyEnded(1))
    session.post(ToolCallBegun(1, MILK), ToolCallEnded(MILK.id, CallStatus.DONE, "done"))
    session.answer("It is noon.")
    finish(session)
    ends = [(call.status, call.reported) for call in session.state.calls]
    assert ends == [(CallStatus.DONE, False)], "the model of the next reply does not know of it"


def test_a_call_of_a_cleared_conversation_that_begins_late_is_not_kept() -> None:
    session = Session()
    session.ask("put milk on the list")
    session.post(ConversationCleared(), ReplyEnded(1), ToolCallBegun(1, MILK))
    session.ask("put a book on it")
    session.post(ToolCallBegun(1, MILK), ToolCallBegun(2, BOOK))
    assert [call.id for call in session.state.calls] == [BOOK.id]
