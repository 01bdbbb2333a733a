"""The part of the history that is stored at any moment: all that was said and heard, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.machine_world import PLAUSIBLE, RULES, WORDS, World
from voicebot.dialogue.events import ReplyEnded, SessionStarted
from voicebot.dialogue.history import History, Message, Role, heard, said
from voicebot.dialogue.history_snapshot import history_snapshot
from voicebot.dialogue.machine import step
from voicebot.dialogue.preferences import InterruptedHistory
from voicebot.dialogue.reply_state import Reply
from voicebot.dialogue.state import Rules, State

ASKED: History = said((), "tell me a story")
STORY = ("Once upon a time.", "There was a king.")


def telling(played: int, words: int, **changes: Any) -> State:
    reply = Reply(1, sentences=STORY, tokens=1, text_ended=True, started=True, played=played, words=words)
    return State(history=ASKED, reply=replace(reply, **changes))


def test_the_history_includes_a_live_reply_as_far_as_it_was_heard() -> None:
    assert history_snapshot(telling(0, 0)) == ASKED
    assert history_snapshot(telling(0, 2)) == (*ASKED, Message(Role.ASSISTANT, "Once upon", interrupted=True))
    assert history_snapshot(telling(1, 1)) == (
        *ASKED,
        Message(Role.ASSISTANT, "Once upon a time. There", interrupted=True),
    )
    assert history_snapshot(telling(2, 0)) == (*ASKED, Message(Role.ASSISTANT, " ".join(STORY)))
    assert history_snapshot(telling(2, 0, text_ended=False))[-1].interrupted


def test_the_history_includes_no_preemptive_reply_and_no_cleared_reply() -> None:
    assert history_snapshot(telling(1, 1, preemptive=True)) == ASKED
    assert history_snapshot(replace(telling(1, 1, forgotten=True), history=())) == ()


def test_merging_includes_a_reply_only_if_it_was_heard_to_the_end_and_not_cancelled() -> None:
    rules = Rules(interrupted_history=InterruptedHistory.MERGE)
    assert history_snapshot(replace(telling(1, 2), rules=rules)) == ASKED
    assert history_snapshot(replace(telling(2, 0), rules=rules)) == (*ASKED, Message(Role.ASSISTANT, " ".join(STORY)))
    assert history_snapshot(replace(telling(2, 0, cancelled=True), rules=rules)) == ASKED


def test_the_history_already_includes_words_that_wait_for_a_reply() -> None:
    waiting = replace(telling(0, 2, cancelled=True), pending=("what", "time is it"))
    assert history_snapshot(waiting) == said(heard(ASKED, "Once upon", interrupted=True), "what time is it")
    assert history_snapshot(replace(waiting, reply=None)) == said(ASKED, "what time is it")
    assert history_snapshot(replace(waiting, reply=None, merge_next=False)) == said(
        ASKED, "what time is it", merge=False
    )


@given(RULES, st.lists(st.tuples(PLAUSIBLE, WORDS, st.integers(0, 5)), max_size=40))
@settings(max_examples=300)
def test_the_history_at_any_moment_is_that_of_a_session_ending_at_that_moment(
    rules: Rules, script: list[tuple[str, str, int]]
) -> None:
    world = World(State(rules=rules))
    for kind, text, pick in script:
        world.happen(kind, text, pick)
        state = world.state
        for message in history_snapshot(state):
            assert message.role is Role.USER or world.was_heard(message.text), (
                f"the history holds words that were not heard: {message.text!r}"
            )
        if state.reply is not None and not state.reply.preemptive:
            cut = replace(state, reply=replace(state.reply, cancelled=True), utterances=(), timers=())
            ended, *_ = step(cut, ReplyEnded(state.reply.number), 1.0)
            assert history_snapshot(cut) == ended.history
            if rules.interrupted_history is InterruptedHistory.HEARD:
                assert history_snapshot(state) == history_snapshot(cut)
        elif state.reply is None:
            settled, *_ = step(replace(state, utterances=(), timers=()), SessionStarted(), 1.0)
            assert history_snapshot(state) == settled.history
