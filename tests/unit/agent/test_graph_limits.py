"""The agent's limits on time and history, and the service behind its model."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import pytest

from tests.support.scripted_model import Script, brief, call
from voicebot.agent.agent import GraphAgent
from voicebot.agent.tools import built_in_tools
from voicebot.dialogue.history import History, Message, Role
from voicebot.engines.errors import EngineError, Fault
from voicebot.engines.llm.messages import tokens
from voicebot.engines.llm.models import Models

WANTED = asyncio.Event()
WANTED.set()


def talk(turns: int, words: int = 20) -> History:
    """Returns a history of user and assistant in turn, the user first and last. Each message begins with its number."""
    roles = (Role.USER, Role.ASSISTANT)
    return tuple(Message(roles[number % 2], f"{number} {'word ' * words}".strip()) for number in range(2 * turns - 1))


HI = talk(1)


async def answered(model: Script, history: History = HI, **options: Any) -> str:
    agent = GraphAgent(model, built_in_tools(), "test", prompt=brief, **options)
    async with aclosing(agent.reply(history, WANTED)) as stream:
        return "".join([token async for token in stream])


# Time -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("said", [[], ["Well, "]])
async def test_a_model_that_takes_too_long_is_stopped(said: list[str]) -> None:
    model = Script(answers=[[*said, asyncio.Event()]])
    with pytest.raises(EngineError) as caught:
        await answered(model, timeout_s=0.05)
    assert (str(caught.value), caught.value.fault) == ("test: no answer within 0.05 s", Fault.TIMEOUT)
    assert model.answers == [["stopped"]]


async def test_each_request_has_its_own_timeout_and_a_slow_consumer_uses_up_none_of_it() -> None:
    model = Script(answers=[["Well, ", call("clock")], ["it is ", "late."]])
    agent = GraphAgent(model, built_in_tools(), "test", timeout_s=0.2)
    heard = []
    async with aclosing(agent.reply(talk(1), WANTED)) as stream:
        async for token in stream:
            heard.append(token)
            await asyncio.sleep(0.15)
    assert heard == ["Well, ", " it is ", "late."]


# History ----------------------------------------------------------------------------------------------------------


async def test_a_long_history_is_shortened_to_begin_with_a_later_message_of_the_user() -> None:
    model = Script(answers=[["Yes."]])
    await answered(model, talk(30), history_max_tokens=300)
    system, first, *_, last = model.given[0]
    assert (system.type, first.type, last.text.split()[0]) == ("system", "human", "58")
    assert tokens(model.given[0]) <= 300


# The service behind the model -------------------------------------------------------------------------------------


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
    agent = GraphAgent(Script(answers=[]), [], "test", service=service)
    await agent.start()
    await agent.probe()
    await agent.close()
    assert service.done == ["start", "probe", "close"]


async def test_an_agent_without_a_service_starts_probes_answers_and_closes_and_leaves_no_task() -> None:
    before = asyncio.all_tasks()
    agent = GraphAgent(Script(answers=[["Yes."]]), [], "test")
    await agent.start()
    await agent.probe()
    assert (agent.model, agent.warning, agent.listed, agent.is_cold) == (None, None, (), False)
    async with aclosing(agent.reply(HI, WANTED)) as stream:
        assert [token async for token in stream] == ["Yes."]
    await agent.close()
    assert asyncio.all_tasks() == before
