"""A session breaks off in a reply, and the next session of the conversation goes on with the reply."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.machine_session import Session, bot, speaking, user
from tests.support.machine_world import PLAUSIBLE, RULES, WORDS, World
from voicebot.dialogue.errors import ErrorCode, ErrorReport
from voicebot.dialogue.events import (
    CancelReply,
    Command,
    ConfirmationAsked,
    ConversationCleared,
    FinalTranscript,
    HandoverChanged,
    InterruptPressed,
    PlaybackFinished,
    ReplyEnded,
    ReplyRefused,
    SayRequested,
    SentencePlayed,
    SentenceReady,
    SessionStarted,
    SpeechEnded,
    SpeechStarted,
    StartReply,
    TextEnded,
    TextTyped,
    Timer,
    ToolCallBegun,
    ToolCallEnded,
    WordsHeard,
)
from voicebot.dialogue.history import merged
from voicebot.dialogue.history_snapshot import history_snapshot
from voicebot.dialogue.interruption.verdict import Speech
from voicebot.dialogue.preferences import InterruptedHistory
from voicebot.dialogue.reply_state import UnfinishedReply
from voicebot.dialogue.state import Phase, Rules, State
from voicebot.dialogue.tool_calls import CallRecord, CallStatus, ConfirmationRequest
from voicebot.dialogue.unfinished_reply import unfinished_reply
from voicebot.dialogue.view import chat
from voicebot.runtime.limits import MAX_MESSAGE_CHARS

ASKED = user("tell me a story")
STORY = ("Once upon a time there was a cat.", "It lived on a ship.")
FORGETS = Rules(interrupted_history=InterruptedHistory.MERGE, preemptive_replies=False)
BOOKING = CallRecord("call", "book", "{}")

REPLY = ("interrupt", "ended", "type", "sentence", "play", "words", "sentence", "text ended", "played", "words")
"""The kinds of input of a reply that is not heard to its end."""


def interrupted_story(words: int = 3) -> Session:
    """Returns a session in which these words of the first sentence were heard."""
    session = speaking(*STORY)
    if words:
        session.post(WordsHeard(session.state.last_reply, 0, words))
    return session


def next_session(before: Session | World, rules: Rules | None = None) -> Session:
    """Returns the next session of the conversation, after `before` has broken off."""
    state = before.state
    session = Session(rules)
    session.state = replace(
        session.state,
        history=history_snapshot(state),
        calls=state.calls,
        unfinished=unfinished_reply(state),
        merge_next=not history_snapshot(state),
    )
    return session


def replies(commands: list[Command]) -> list[StartReply]:
    return [command for command in commands if isinstance(command, StartReply)]


def going_on(before: Session | World, rules: Rules | None = None) -> tuple[Session, StartReply]:
    """Lets the next session begin and go on. Returns it, and the reply with which it goes on."""
    session = next_session(before, rules)
    assert not replies(session.post(SessionStarted()))
    (start,) = replies(session.time_out(Timer.GO_ON))
    return session, start


def hear_whole(session: Session, *sentences: str) -> list[Command]:
    session.answer(*sentences)
    reply = session.state.last_reply
    played = [SentencePlayed(reply, index) for index in range(len(sentences))]
    return session.post(*played, PlaybackFinished(reply), ReplyEnded(reply))


def goes_on_with_nothing(before: Session | World) -> bool:
    session = next_session(before)
    return not replies(session.post(SessionStarted())) and session.state.is_idle and not session.state.timers


# The rest of a reply --------------------------------------------------------------------------------------------------


def test_the_next_session_says_the_rest_as_part_of_the_same_message() -> None:
    session, start = going_on(interrupted_story())
    assert start == StartReply(1, (ASKED,), text="time there was a cat. It lived on a ship.")
    assert [message["heard"] for message in chat(session.state)[1:]] == ["Once upon a"], "it does not vanish meanwhile"
    hear_whole(session, "time there was a cat.", STORY[1])
    assert session.state.history == (ASKED, bot(" ".join(STORY)))
    assert unfinished_reply(session.state) is None, "it goes on only once"


def test_a_reply_of_which_nothing_was_heard_is_said_as_a_whole() -> None:
    session, start = going_on(interrupted_story(words=0))
    assert start == StartReply(1, (ASKED,), text=" ".join(STORY))
    hear_whole(session, *STORY)
    assert session.state.history == (ASKED, bot(" ".join(STORY)))


def test_a_session_that_breaks_off_again_leaves_what_is_still_unheard() -> None:
    session, _ = going_on(interrupted_story())
    session.answer("time there was a cat.", STORY[1])
    session.post(SentencePlayed(1, 0))
    assert history_snapshot(session.state) == (ASKED, bot("Once upon a time there was a cat.", interrupted=True))
    session, start = going_on(session)
    assert start.text == STORY[1]
    hear_whole(session, STORY[1])
    assert session.state.history == (ASKED, bot(" ".join(STORY)))


def test_the_rest_can_be_interrupted_and_goes_on_after_a_backchannel() -> None:
    session, _ = going_on(interrupted_story())
    session.answer("time there was a cat.", STORY[1])
    session.post(WordsHeard(1, 0, 3), SpeechStarted(1))
    assert session.state.phase is Phase.PAUSED
    session.post(SpeechEnded(1, silence_s=1.0), FinalTranscript(1, "uh-huh"))
    assert session.state.phase is Phase.SPEAKING
    assert CancelReply(1) in session.post(TextTyped("what is its name"))
    assert replies(session.post(ReplyEnded(1)))[0].text is None
    assert session.state.history == (
        ASKED,
        bot("Once upon a time there was", interrupted=True),
        user("what is its name"),
    )


def test_a_reply_that_ends_early_is_kept_as_far_as_it_was_heard_in_both_sessions() -> None:
    session, _ = going_on(interrupted_story())
    session.post(ReplyEnded(1, ErrorReport(ErrorCode.UNAVAILABLE, "no voice")))
    assert session.state.history == (ASKED, bot("Once upon a", interrupted=True))


def test_a_history_that_forgets_interrupted_replies_gets_the_reply_from_its_start() -> None:
    before = interrupted_story()
    before.state = replace(before.state, rules=FORGETS)
    session, start = going_on(before, FORGETS)
    assert start == StartReply(1, (ASKED,), text=" ".join(STORY))
    hear_whole(session, *STORY)
    assert session.state.history == (ASKED, bot(" ".join(STORY)))


def test_a_text_of_a_tool_goes_on_and_joins_no_other_message() -> None:
    before = Session()
    before.state = replace(before.state, history=(ASKED, bot("Once", interrupted=True)), merge_next=False)
    before.post(SayRequested("Your table is booked."))
    before.answer("Your table is booked.")
    session, start = going_on(before)
    assert start.text == "Your table is booked."
    hear_whole(session, start.text)
    assert session.state.history == (ASKED, bot("Once", interrupted=True), bot("Your table is booked."))


def test_what_is_left_is_cut_at_a_word_if_it_is_very_long() -> None:
    words = "word " * MAX_MESSAGE_CHARS
    rest = unfinished_reply(speaking(words).state)
    assert rest is not None
    assert rest.text == words[: len(rest.text)]
    assert MAX_MESSAGE_CHARS - 5 <= len(rest.text) <= MAX_MESSAGE_CHARS
    assert rest.text.endswith("word")


# Another answer -------------------------------------------------------------------------------------------------------


def test_an_answer_whose_text_was_not_complete_is_given_again_without_counting_the_turn_again() -> None:
    before = Session()
    before.ask()
    before.post(SentenceReady(1, 0, STORY[0]), WordsHeard(1, 0, 2))
    session, start = going_on(before)
    assert start == StartReply(1, (ASKED,), counted=True)
    assert [message["heard"] for message in chat(session.state)[1:]] == ["Once upon"]
    rest = unfinished_reply(session.state)
    assert rest == UnfinishedReply(begun=True, counted=False), "a third answer to one message takes a turn"
    hear_whole(session, "There was a dog.")
    assert session.state.history == (ASKED, bot("Once upon There was a dog.")), "all that was heard, and nothing else"


def test_words_that_no_reply_answers_yet_are_answered_and_count_as_a_turn() -> None:
    before = Session()
    before.post(SpeechStarted(1), SpeechEnded(1), FinalTranscript(1, ASKED.text))
    assert before.state.reply is None
    _, start = going_on(before)
    assert start == StartReply(1, (ASKED,), counted=False)


def test_words_that_interrupted_a_reply_are_answered() -> None:
    before = interrupted_story()
    before.post(TextTyped("what time is it"))
    session, start = going_on(before)
    assert start.history == (ASKED, bot("Once upon a", interrupted=True), user("what time is it"))
    hear_whole(session, "Noon.")
    assert session.state.history == (*start.history, bot("Noon."))


def test_the_message_of_a_user_who_was_still_speaking_is_answered_as_far_as_it_is_known() -> None:
    before = Session()
    before.ask("book a table")
    before.post(SentenceReady(1, 0, "For when?"), SpeechStarted(2), SpeechEnded(2), FinalTranscript(2, "um for"))
    before.post(SpeechStarted(3), ReplyEnded(1))
    _, start = going_on(before)
    assert start.history[-1].text.startswith("book a table")


def test_a_question_that_needs_a_yes_is_asked_again_by_the_model() -> None:
    before = Session()
    before.ask("book a table")
    before.post(ConfirmationAsked(1, ConfirmationRequest(BOOKING, "Shall I book it?")))
    before.answer("Shall I book it?")
    before.post(WordsHeard(1, 0, 2))
    _, start = going_on(before)
    assert (start.text, start.history[-1]) == (None, user("book a table"))


def test_the_model_knows_of_the_calls_that_its_first_answer_made() -> None:
    before = Session()
    before.ask("book a table")
    before.post(ToolCallBegun(1, BOOKING), ToolCallEnded("call", CallStatus.DONE, "booked"))
    session, start = going_on(before)
    assert [call.result for call in start.calls] == ["booked"]
    hear_whole(session, "It is booked.")
    assert [call.reported for call in session.state.calls] == [True]


# What ends the wait ---------------------------------------------------------------------------------------------------


def test_it_waits_for_the_client_preferences_and_until_nobody_speaks() -> None:
    session = next_session(interrupted_story())
    session.post(SessionStarted(), SpeechStarted(1))
    assert session.started[Timer.GO_ON].delay_s == Rules().goes_on_after_s
    assert not replies(session.time_out(Timer.GO_ON))
    session.post(SpeechEnded(1, speech=Speech(duration_s=1.0)), FinalTranscript(1, ""))
    rest = unfinished_reply(session.state)
    assert rest is not None, "it is not lost if this session breaks off too"
    (start,) = replies(session.time_out(Timer.DEBOUNCE))
    assert start.text == rest.text, "it is not asked to repeat a noise before"


def test_texts_of_tools_come_after_the_rest() -> None:
    session = next_session(interrupted_story())
    assert not replies(session.post(SessionStarted(), SayRequested("Your table is booked.")))
    (start,) = replies(session.time_out(Timer.GO_ON))
    assert start.text is not None
    assert start.text.endswith(STORY[1])
    (start,) = replies(hear_whole(session, start.text))
    assert start.text == "Your table is booked."


@pytest.mark.parametrize("meanwhile", [InterruptPressed(), ConversationCleared(), HandoverChanged(to_person=True)])
def test_the_user_or_a_person_ends_the_wait(
    meanwhile: InterruptPressed | ConversationCleared | HandoverChanged,
) -> None:
    session = next_session(interrupted_story())
    session.post(SessionStarted(), meanwhile)
    assert (session.state.unfinished, session.state.timers) == (None, ())


def test_words_of_the_user_take_the_place_of_the_rest() -> None:
    session = next_session(interrupted_story())
    (start,) = replies(session.post(SessionStarted(), TextTyped("what time is it")))
    assert start.text is None
    assert not replies(hear_whole(session, "Noon."))
    assert session.state.is_idle
    assert session.state.history[-3:] == (
        bot("Once upon a", interrupted=True),
        user("what time is it"),
        bot("Noon."),
    )


@pytest.mark.parametrize("unfinished", [UnfinishedReply(begun=True), UnfinishedReply()])
def test_a_history_without_a_message_to_answer_gets_no_answer(unfinished: UnfinishedReply) -> None:
    session = Session()
    session.state = replace(session.state, history=(bot("Once", interrupted=True),), unfinished=unfinished)
    assert not replies(session.post(SessionStarted()) + session.time_out(Timer.GO_ON))
    assert session.state.is_idle
    assert session.state.history == (bot("Once", interrupted=True),)


# When nothing is left -------------------------------------------------------------------------------------------------


def test_nothing_is_left_of_what_has_ended() -> None:
    before = Session()
    assert goes_on_with_nothing(before)
    before.ask()
    hear_whole(before, *STORY)
    assert goes_on_with_nothing(before)
    before.ask("go on")
    before.answer(*STORY)
    before.post(InterruptPressed())
    assert goes_on_with_nothing(before)
    before.post(ReplyEnded(2))
    assert goes_on_with_nothing(before)


def test_nothing_is_left_of_a_reply_that_is_heard_to_its_end_but_has_not_ended() -> None:
    before = speaking("Noon.")
    before.post(SentencePlayed(1, 0), PlaybackFinished(1))
    assert goes_on_with_nothing(before)


def test_nothing_is_left_while_a_person_answers() -> None:
    before = interrupted_story()
    before.post(HandoverChanged(to_person=True))
    assert goes_on_with_nothing(before)


def test_nothing_is_left_while_a_question_needs_a_yes() -> None:
    before = Session()
    before.ask("book a table")
    before.post(ConfirmationAsked(1, ConfirmationRequest(BOOKING, "Shall I book it?")))
    hear_whole(before, "Shall I book it?")
    assert before.state.confirmation is not None
    assert goes_on_with_nothing(before)


def test_the_question_whether_the_user_is_there_is_not_said_again() -> None:
    before = Session(Rules(idle_timeout_s=60.0))
    before.post(SessionStarted())
    (start,) = replies(before.time_out(Timer.IDLE))
    before.answer(start.text or "")
    assert goes_on_with_nothing(before)


def test_the_answer_that_there_are_no_more_answers_is_not_said_again() -> None:
    before = Session()
    before.ask()
    before.post(ReplyRefused(1, "no more today"))
    before.answer("No more today.")
    assert goes_on_with_nothing(before)
    hear_whole(before)
    assert goes_on_with_nothing(before)


def test_a_text_that_is_not_known_yet_is_not_said_again() -> None:
    before = Session()
    before.post(SayRequested("Your table is booked."), SentenceReady(1, 0, "Your table"))
    assert goes_on_with_nothing(before)
    before.post(TextEnded(1))
    assert going_on(before)[1].text == "Your table"


@pytest.mark.no_cover
@given(RULES, *[st.lists(st.tuples(PLAUSIBLE, WORDS, st.integers(0, 5)), max_size=20)] * 2, st.integers(0, 9))
@settings(max_examples=300)
def test_it_goes_on_once_with_what_was_unheard_wherever_the_sessions_break_off(
    rules: Rules, script: list[tuple[str, str, int]], then: list[tuple[str, str, int]], words: int
) -> None:
    world = World(State(rules=rules))
    for kind, text, pick in (*script, *[(kind, "tell me more", words) for kind in REPLY[: 4 + words]], *then[:words]):
        world.happen(kind, text, pick)
    rules = world.state.rules
    rest, history, reply = unfinished_reply(world.state), history_snapshot(world.state), world.state.reply
    if rest is None:
        assert goes_on_with_nothing(world)
        return
    session, start = going_on(world, rules)
    if start.text is None:
        assert start.history[-1].role.value == "user"
        assert start.history == (history[:-1] if rest.begun else history)
        return
    assert reply is not None
    assert merged([*(() if rest.begun or not reply.heard else [reply.heard]), reply.unheard]) == start.text
    session.answer(start.text)
    heard_words = min(words, len(start.text.split()) - 1)
    session.post(WordsHeard(1, 0, heard_words))
    session, again = going_on(session, rules)
    assert again.text is not None
    hear_whole(session, again.text)
    told = session.state.history[len(history) - rest.begun :]
    assert [message.text for message in told] == [merged(reply.sentences)], "each word once, in one message"
    assert not session.state.history[-1].interrupted
    assert unfinished_reply(session.state) is None
    assert session.state.is_idle
