"""What of a conversation a language model is told, and in which messages."""

from __future__ import annotations

from typing import cast

import pytest
from langchain_core.messages import HumanMessage

from tests.support.phrasings import HERE
from voicebot.dialogue.history import History, Message, Role
from voicebot.engines.llm.messages import MODEL_AWAY_EXPLAINED, system_message, to_messages, tokens
from voicebot.engines.llm.offline.topics import AWAY, BEYOND, STILL_BEYOND


def talk(turns: int, words: int = 20) -> History:
    """User and assistant in turn, the user first and last; each message begins with its number."""
    roles = (Role.USER, Role.ASSISTANT)
    return tuple(Message(roles[number % 2], f"{number} {'word ' * words}".strip()) for number in range(2 * turns - 1))


@pytest.mark.parametrize("most", range(0, 2_000, 37))
def test_the_model_gets_as_much_of_the_end_of_the_history_as_fits(most: int) -> None:
    history = talk(20)
    whole, told = to_messages(history, "Be brief."), to_messages(history, "Be brief.", most)
    assert told[0] == whole[0], "the persona stays"
    assert told[1:] == whole[len(whole) - len(told) + 1 :], "the end, in one piece"
    assert isinstance(told[1], HumanMessage)
    assert tokens(told) <= most or len(told) == 2, "the last message stays, however long it is"
    more = [*whole[:1], *whole[len(whole) - len(told) - 1 :]]
    assert len(told) == len(whole) or tokens(more) > most, "two messages more would not fit"


def test_the_model_gets_a_short_history_whole() -> None:
    history = talk(3)
    assert to_messages(history, "Be brief.", 1_000) == to_messages(history, "Be brief.")


def test_old_messages_of_a_very_long_history_are_not_even_examined() -> None:
    """Ten thousand messages, as an import may have, took a tenth of a second of all sessions' time in each turn."""
    unseen = cast("History", (None,) * 3)
    assert to_messages(unseen + talk(30), "Be brief.", 300) == to_messages(talk(30), "Be brief.", 300)


def test_devanagari_counts_as_more_tokens_per_character_than_latin() -> None:
    """ "नमस्ते" is six characters, and about as many tokens as six English words' letters would not be."""
    assert tokens([HumanMessage("नमस्ते दुनिया " * 10)]) > 2 * tokens([HumanMessage("hello worlds! " * 10)])


# After an outage -----------------------------------------------------------------------------------------------------


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
    told = (Message(Role.USER, "what time is it"), Message(Role.ASSISTANT, AWAY))
    later = tuple(Message(Role.USER, "word " * 40) for _ in range(6))
    whole = to_messages((*told, *later), "Be brief.")
    assert MODEL_AWAY_EXPLAINED in whole[0].text
    most = tokens(whole) - 1
    some = to_messages((*told, *later), "Be brief.", most)
    assert tokens(some) <= most
    few = to_messages((*told, *later), "Be brief.", 200)
    assert MODEL_AWAY_EXPLAINED not in few[0].text
