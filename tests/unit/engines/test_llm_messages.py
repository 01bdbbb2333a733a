"""The part of a conversation that a language model gets, and in which messages."""

from __future__ import annotations

from typing import cast

import pytest
from langchain_core.messages import HumanMessage

from tests.support.phrasings import HERE
from voicebot.dialogue.history import History, Message, Role
from voicebot.engines.llm.messages import MODEL_AWAY_EXPLAINED, system_message, to_messages, tokens
from voicebot.engines.llm.offline.topics import AWAY, BEYOND, STILL_BEYOND


def talk(turns: int, words: int = 20) -> History:
    """Returns a history of user and assistant in turn, the user first and last. Each message begins with its number."""
    roles = (Role.USER, Role.ASSISTANT)
    return tuple(Message(roles[number % 2], f"{number} {'word ' * words}".strip()) for number in range(2 * turns - 1))


@pytest.mark.parametrize("most", range(0, 2_000, 37))
def test_the_model_gets_as_much_of_the_end_of_the_history_as_fits(most: int) -> None:
    history = talk(20)
    whole, sent = to_messages(history, "Be brief."), to_messages(history, "Be brief.", most)
    assert sent[0] == whole[0], "the system prompt must stay"
    assert sent[1:] == whole[len(whole) - len(sent) + 1 :], "the messages must be the end of the history, without a gap"
    assert isinstance(sent[1], HumanMessage)
    assert tokens(sent) <= most or len(sent) == 2, "only the last message may exceed the limit"
    more = [*whole[:1], *whole[len(whole) - len(sent) - 1 :]]
    assert len(sent) == len(whole) or tokens(more) > most, "two more messages must not fit"


def test_the_model_gets_a_short_history_whole() -> None:
    history = talk(3)
    assert to_messages(history, "Be brief.", 1_000) == to_messages(history, "Be brief.")


def test_old_messages_of_a_very_long_history_are_not_even_examined() -> None:
    """Examining the ten thousand messages of an import would stall all sessions for 0.1 s in each turn."""
    unseen = cast("History", (None,) * 3)
    assert to_messages(unseen + talk(30), "Be brief.", 300) == to_messages(talk(30), "Be brief.", 300)


def test_devanagari_counts_as_more_tokens_per_character_than_latin() -> None:
    """Six characters of Devanagari are more tokens than six Latin letters."""
    assert tokens([HumanMessage("नमस्ते दुनिया " * 10)]) > 2 * tokens([HumanMessage("hello worlds! " * 10)])


# After an outage --------------------------------------------------------------------------------------------------


def system_prompt(*turns: str) -> str:
    history = tuple(Message(Role.ASSISTANT if place % 2 else Role.USER, text) for place, text in enumerate(turns))
    return to_messages(history, "Be brief.")[0].text


@pytest.mark.parametrize("notice", [f"{AWAY} {HERE}", f"{AWAY} {BEYOND}", STILL_BEYOND, AWAY[:40]])
def test_a_model_that_is_back_gets_an_explanation_of_the_outage_notice(notice: str) -> None:
    prompt = system_prompt("what time is it", notice, "why is the sky blue")
    assert prompt == f"{system_message('Be brief.').text}\n\n{MODEL_AWAY_EXPLAINED}"


def test_a_history_without_an_outage_notice_gets_no_explanation() -> None:
    assert MODEL_AWAY_EXPLAINED not in system_prompt("My language model is away", "Whose?", "Mine.")


def test_the_explanation_counts_towards_the_token_limit_and_goes_when_the_notice_goes() -> None:
    sent = (Message(Role.USER, "what time is it"), Message(Role.ASSISTANT, AWAY))
    later = tuple(Message(Role.USER, "word " * 40) for _ in range(6))
    whole = to_messages((*sent, *later), "Be brief.")
    assert MODEL_AWAY_EXPLAINED in whole[0].text
    most = tokens(whole) - 1
    some = to_messages((*sent, *later), "Be brief.", most)
    assert tokens(some) <= most
    few = to_messages((*sent, *later), "Be brief.", 200)
    assert MODEL_AWAY_EXPLAINED not in few[0].text
