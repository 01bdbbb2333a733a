"""Tools with and without effects, when a model fails or hangs after it has called them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest
from langchain_core.tools import tool

from tests.support.scripted_model import Script, call
from voicebot.agent.agent import GraphAgent
from voicebot.dialogue.history import Message, Role
from voicebot.engines.errors import EngineError, Fault
from voicebot.engines.fallback import AgentFallbackGroup
from voicebot.engines.fallback_group import FallbackRules
from voicebot.engines.protocols import EngineSelected

HISTORY = (Message(Role.USER, "hi"),)


@dataclass
class Booking:
    """A tool that takes `work_s`. It has effects, unless it is tagged as pure."""

    work_s: float = 0.0
    pure: bool = False
    made: int = 0

    def agent(self, name: str, *answers: list[Any]) -> GraphAgent:
        @tool("book")
        async def book() -> str:
            """Book a table."""
            self.made += 1
            await asyncio.sleep(self.work_s)
            return "booked"

        book.tags = ["pure"] if self.pure else []
        return GraphAgent(Script(answers=list(answers)), [book], name, filler_s=60)


BOOK, FAILED = [call("book")], [ConnectionError()]
RULES = FallbackRules(retries=1, backoff_s=0.01, first_output_s=0.2, rest_s=60)


async def outputs_of(group: AgentFallbackGroup, wanted_after_s: float = 0.0) -> list[str | EngineSelected]:
    wanted = asyncio.Event()
    asyncio.get_running_loop().call_later(wanted_after_s, wanted.set)
    try:
        return [token async for token in group.reply(HISTORY, wanted)]
    finally:
        await group.close()


async def test_a_tool_with_effects_does_not_run_twice_when_its_model_fails_after_it() -> None:
    booking = Booking()
    groq, other = booking.agent("groq", BOOK, FAILED, BOOK, ["Done."]), booking.agent("other", BOOK, ["Done."])
    group = AgentFallbackGroup([groq, other], RULES)
    await group.start()
    with pytest.raises(EngineError, match="groq: no connection") as failed:
        await outputs_of(group)
    assert failed.value.fault is Fault.UNREACHABLE
    assert booking.made == 1


async def test_a_model_that_fails_after_a_tool_without_effects_is_tried_again() -> None:
    booking = Booking(pure=True)
    group = AgentFallbackGroup([booking.agent("groq", BOOK, FAILED, BOOK, ["Done."])], RULES)
    await group.start()
    assert await outputs_of(group) == [EngineSelected("groq"), "Done."]
    assert booking.made == 2


@pytest.mark.parametrize(("work_s", "wanted_after_s"), [(0.4, 0.0), (0.0, 0.4)], ids=["works", "waits"])
@pytest.mark.parametrize("pure", [True, False])
async def test_a_slow_tool_does_not_count_as_a_failure_of_its_agent(
    work_s: float, wanted_after_s: float, pure: bool
) -> None:
    booking = Booking(work_s, pure)
    group = AgentFallbackGroup(
        [booking.agent("groq", BOOK, ["Done."]), booking.agent("other", BOOK, ["Twice."])], RULES
    )
    await group.start()
    assert await outputs_of(group, wanted_after_s) == [EngineSelected("groq"), "Done."]
    assert booking.made == 1
    assert group.health[0].ready


async def test_the_next_agent_answers_when_a_model_hangs_after_a_tool_without_effects() -> None:
    booking = Booking(pure=True)
    hangs = booking.agent("groq", BOOK, [asyncio.Event()])
    group = AgentFallbackGroup([hangs, booking.agent("other", ["Hello."])], RULES)
    await group.start()
    assert await outputs_of(group) == [EngineSelected("other", ("groq: nothing came within 0.2 s",)), "Hello."]
