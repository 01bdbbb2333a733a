"""Random scripts: whatever the order of inputs, the machine never gets stuck, mixes up replies or invents words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.examples import examples
from tests.support.machine_world import (
    ANY_INPUT,
    ENGLISH_RULES,
    PLAUSIBLE,
    REWRITTEN_WORDS,
    RULES,
    SCENES,
    TURN,
    WORDS,
    World,
)
from voicebot.dialogue.events import Input, SessionStarted
from voicebot.dialogue.history import Role
from voicebot.dialogue.state import Phase, Rules, State

pytestmark = pytest.mark.no_cover  # measuring coverage would take three times as long and find nothing new


@given(RULES, st.lists(st.tuples(PLAUSIBLE, WORDS, st.integers(0, 5)), max_size=60))
@examples(1500)
def test_a_session_with_plausible_events_keeps_its_invariants_and_ends_idle(
    rules: Rules, script: list[tuple[str, str, int]]
) -> None:
    world = World(State(rules=rules))
    for kind, text, pick in script:
        world.happen(kind, text, pick)
    world.post(SessionStarted())
    world.leave()
    assert world.state.phase is Phase.IDLE


@given(RULES, st.lists(ANY_INPUT, max_size=60))
@examples(1000)
def test_a_session_with_arbitrary_inputs_keeps_its_invariants_and_ends_idle(rules: Rules, script: list[Input]) -> None:
    world = World(State(rules=rules))
    for each in [SessionStarted(), *script]:
        world.post(each)
    world.leave()
    assert world.state.phase is Phase.IDLE


@given(RULES, st.lists(st.tuples(TURN, REWRITTEN_WORDS, st.integers(0, 5)), max_size=60))
@examples(1000)
def test_each_word_is_answered_once_however_the_words_change_before_and_after_pauses(
    rules: Rules, script: list[tuple[str, str, int]]
) -> None:
    """`World` checks each step with a `ReplyLedger`."""
    world = World(State(rules=rules))
    for kind, text, pick in script:
        world.happen(kind, text, pick)
    world.post(SessionStarted())
    world.leave()
    assert world.state.phase is Phase.IDLE


@given(st.lists(st.tuples(PLAUSIBLE, WORDS, st.integers(0, 5)), max_size=40))
@examples(300)
def test_no_text_typed_by_the_user_is_lost(script: list[tuple[str, str, int]]) -> None:
    world = World()
    typed: list[str] = []
    for index, (kind, text, pick) in enumerate(script):
        if kind == "clear":
            continue
        if kind == "type":
            text = f"question-{index}"
            typed.append(text)
        world.happen(kind, text, pick)
    world.calm_down()
    said = " ".join(message.text for message in world.state.history if message.role is Role.USER)
    assert [word for word in said.split() if word.startswith("question-")] == typed, (
        "each typed text must be there once, in order"
    )


@given(ENGLISH_RULES, SCENES)
@examples(1000)
def test_each_call_is_made_once_after_a_clear_yes_if_it_needs_one_and_reported_once(
    rules: Rules, script: list[tuple[str, str, int]]
) -> None:
    """`World` checks each step with a `CallLedger`."""
    world = World(State(rules=rules))
    for kind, text, pick in script:
        world.happen(kind, text, pick)
    world.post(SessionStarted())
    world.leave()
    assert world.state.phase is Phase.IDLE
