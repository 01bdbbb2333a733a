"""How long a model is waited for, how much of the history it is told, and what is behind it."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any, cast

import pytest
from langchain_core.messages import HumanMessage

from tests.support.scripted_model import Script, call
from voicebot.agent import GraphAgent
from voicebot.core.history import History, Message, Role
from voicebot.engines.base import EngineError, Fault
from voicebot.engines.llm.messages import to_messages, tokens
from voicebot.engines.llm.models import Models
from voicebot.tools import toolbox

WANTED = asyncio.Event()
WANTED.set()


def talk(turns: int, words: int = 20) -> History:
    """User and assistant in turn, the user first and last; each message begins with its number."""
    roles = (Role.USER, Role.ASSISTANT)
    return tuple(Message(roles[number % 2], f"{number} {'word ' * words}".strip()) for number in range(2 * turns - 1))


HI = talk(1)


async def answered(model: Script, history: History = HI, **options: Any) -> str:
    async with aclosing(GraphAgent(model, toolbox(), "Be brief.", "test", **options).reply(history, WANTED)) as stream:
        return "".join([token async for token in stream])


# Time ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("said", [[], ["Well, "]])
async def test_a_model_that_takes_too_long_is_stopped(said: list[str]) -> None:
    model = Script(answers=[[*said, asyncio.Event()]])
    with pytest.raises(EngineError) as caught:
        await answered(model, timeout_s=0.05)
    assert (str(caught.value), caught.value.fault) == ("test: no answer within 0.05 s", Fault.TIMEOUT)
    assert model.answers == [["stopped"]]


async def test_each_request_has_its_own_timeout_and_a_slow_consumer_uses_up_none_of_it() -> None:
    model = Script(answers=[["Well, ", call("clock")], ["it is ", "late."]])
    agent = GraphAgent(model, toolbox(), "", "test", timeout_s=0.2)
    heard = []
    async with aclosing(agent.reply(talk(1), WANTED)) as stream:
        async for token in stream:
            heard.append(token)
            await asyncio.sleep(0.15)
    assert heard == ["Well, ", " it is ", "late."]


# History ------------------------------------------------------------------------------------------------------------


async def test_a_long_history_is_shortened_to_begin_with_a_later_message_of_the_user() -> None:
    model = Script(answers=[["Yes."]])
    await answered(model, talk(30), history_max_tokens=300)
    system, first, *_, last = model.given[0]
    assert (system.type, first.type, last.text.split()[0]) == ("system", "human", "58")
    assert tokens(model.given[0]) <= 300


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


# What is behind the model -------------------------------------------------------------------------------------------


class Service:
    def __init__(self) -> None:
        self.models = Models(("one",))
        self.done: list[str] = []

    async def start(self) -> None:
        self.done.append("start")

    async def close(self) -> None:
        self.done.append("close")

    async def probe(self) -> None:
        self.done.append("probe")


async def test_the_agent_starts_probes_and_closes_its_service() -> None:
    service = Service()
    agent = GraphAgent(Script(answers=[]), [], "", "test", service=service)
    await agent.start()
    await agent.probe()
    await agent.close()
    assert service.done == ["start", "probe", "close"]


async def test_an_agent_without_a_service_starts_probes_and_closes_without_an_error() -> None:
    agent = GraphAgent(Script(answers=[]), [], "", "test")
    await agent.start()
    await agent.probe()
    await agent.close()
