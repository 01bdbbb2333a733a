"""Fillers: the short sentences that the user hears while a tool works."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest
from langchain_core.tools import tool

from tests.support.scripted_model import Script, call
from voicebot.agent.agent import GraphAgent
from voicebot.agent.tools import fillers
from voicebot.agent.tools.fillers import Filler
from voicebot.dialogue.history import Message, Role
from voicebot.engines.errors import EngineError
from voicebot.engines.protocols import DEFAULT_STYLE, Style
from voicebot.languages.loader import language_of
from voicebot.speech_text.sentences import sentences

HISTORY = (Message(Role.USER, "hi"),)
SOON_S = 0.02


@dataclass
class Slow:
    """A tool that works until the test sets `done`."""

    begun: asyncio.Event = field(default_factory=asyncio.Event)
    done: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class Reply:
    """A reply in progress, read token by token."""

    slow: Slow
    wanted: asyncio.Event
    tokens: asyncio.Queue[str | None]

    async def next(self) -> str | None:
        return await asyncio.wait_for(self.tokens.get(), 5)

    async def rest(self) -> list[str]:
        found = []
        while (token := await self.next()) is not None:
            found.append(token)
        return found


@asynccontextmanager
async def reply(
    *answers: list[Any], wanted: bool = True, style: Style = DEFAULT_STYLE, **options: Any
) -> AsyncIterator[Reply]:
    """Yields the reply of a model that calls the tool `slow`."""
    slow = Slow()

    @tool("slow")
    async def work() -> str:
        """Take long."""
        slow.begun.set()
        await slow.done.wait()
        return "done"

    work.tags = ["pure"]
    agent = GraphAgent(Script(answers=list(answers)), [work], "test", **({"filler_s": SOON_S} | options))
    is_wanted = asyncio.Event()
    if wanted:
        is_wanted.set()
    running = Reply(slow, is_wanted, asyncio.Queue())

    async def run() -> None:
        async for token in agent.reply(HISTORY, is_wanted, style=style):
            running.tokens.put_nowait(token)
        running.tokens.put_nowait(None)

    task = asyncio.create_task(run())
    yield running
    await task


CALL = [call("slow")]


async def test_a_slow_tool_gets_a_filler_before_the_answer() -> None:
    async with reply(CALL, ["It is ", "done."]) as heard:
        filler = await heard.next()
        assert isinstance(filler, Filler)
        assert filler in language_of("en").fillers
        heard.slow.done.set()
        assert await heard.rest() == [" It is ", "done."]


async def test_a_quick_tool_gets_no_filler_and_delays_nothing() -> None:
    async with reply(CALL, ["Done."], filler_s=60) as heard:
        heard.slow.done.set()
        assert await heard.rest() == ["Done."]


async def test_a_model_that_speaks_before_a_slow_tool_call_gets_no_filler() -> None:
    async with reply(["Let me see.", *CALL], CALL, ["Done."]) as heard:
        assert await heard.next() == "Let me see."
        await heard.slow.begun.wait()
        await asyncio.sleep(3 * SOON_S)
        assert heard.tokens.empty()
        heard.slow.begun.clear()
        heard.slow.done.set()
        assert await heard.rest() == [" Done."]


async def test_a_second_tool_call_without_words_gets_a_filler_set_apart_by_a_space() -> None:
    async with reply(["Let me see.", *CALL], CALL, ["Done."]) as heard:
        await heard.slow.begun.wait()
        heard.slow.done.set()
        heard.slow.done = asyncio.Event()  # the second call waits again
        assert await heard.next() == "Let me see."
        filler = await heard.next()
        assert isinstance(filler, Filler)
        assert filler.removeprefix(" ") in language_of("en").fillers
        assert filler.startswith(" ")
        heard.slow.done.set()
        assert await heard.rest() == [" Done."]


async def test_a_preemptive_reply_gets_no_filler_until_the_reply_is_wanted() -> None:
    async with reply(CALL, ["Done."], wanted=False) as heard:
        await heard.slow.begun.wait()
        await asyncio.sleep(3 * SOON_S)
        assert heard.tokens.empty()
        heard.wanted.set()
        assert isinstance(await heard.next(), Filler)
        heard.slow.done.set()
        assert await heard.rest() == [" Done."]


async def test_a_very_slow_tool_gets_more_fillers_and_none_twice_in_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fillers, "AGAIN_S", 2 * SOON_S)
    async with reply(CALL, ["Done."]) as heard:
        said = [await heard.next() for _ in range(7)]
        assert all(isinstance(each, Filler) for each in said)
        assert not any(one == other for one, other in pairwise(said))
        heard.slow.done.set()
        await heard.rest()


async def test_a_tool_call_soon_after_a_filler_gets_no_second_filler() -> None:
    async with reply(CALL, CALL, ["Done."]) as heard:
        assert isinstance(await heard.next(), Filler)
        first, heard.slow.done = heard.slow.done, asyncio.Event()
        heard.slow.begun.clear()
        first.set()
        await heard.slow.begun.wait()
        await asyncio.sleep(3 * SOON_S)
        assert heard.tokens.empty()
        heard.slow.done.set()
        assert await heard.rest() == [" Done."]


async def test_a_language_without_filler_phrases_gets_no_filler() -> None:
    async with reply(CALL, ["Zrobione."], style=Style("pl")) as heard:
        await heard.slow.begun.wait()
        await asyncio.sleep(3 * SOON_S)
        heard.slow.done.set()
        assert await heard.rest() == ["Zrobione."]


async def test_a_filler_does_not_count_as_an_answer() -> None:
    @tool
    async def slow() -> str:
        """Take long."""
        await asyncio.sleep(3 * SOON_S)
        return "done"

    wanted = asyncio.Event()
    wanted.set()
    agent = GraphAgent(Script(answers=[[call("slow")], [""]]), [slow], "test", filler_s=SOON_S)
    heard = []

    async def listen() -> None:
        async for token in agent.reply(HISTORY, wanted):
            heard.append(type(token))

    with pytest.raises(EngineError, match="no answer"):
        await listen()
    assert heard == [Filler]


@pytest.mark.parametrize("language", ["en", "es", "de", "fr", "hi"])
def test_the_fillers_of_a_language_are_sentences(language: str) -> None:
    fillers = language_of(language).fillers
    assert len(set(fillers)) >= 2
    for phrase in fillers:
        assert sentences(f"{phrase} {phrase}", language) == [phrase, phrase]
