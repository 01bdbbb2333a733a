"""Helpers for the tests of the cloud models: agents on them, their replies, and checks for leaks."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.tools import BaseTool, tool

from tests.support.scripted_model import brief
from voicebot.agent.agent import GraphAgent
from voicebot.dialogue.history import History, Message, Role
from voicebot.engines.errors import EngineError
from voicebot.engines.llm.groq import Groq
from voicebot.engines.llm.models import Models
from voicebot.engines.llm.openai import OpenAI

KEY = "sk-secret-4711"
WORDS = "my birthday is in May"
ASKED: History = (Message(Role.USER, WORDS),)
TALKED: History = (
    Message(Role.USER, "tell me a story"),
    Message(Role.ASSISTANT, "Once upon a", interrupted=True),
    Message(Role.USER, "wait"),
)
LONG = "word " * 80
WANTED = asyncio.Event()
WANTED.set()


@tool
async def weather(place: str) -> str:
    """Tell the weather."""
    return f"rain in {place}"


class Engine(Protocol):
    """A service and its model."""

    @property
    def name(self) -> str: ...

    model: BaseChatModel
    models: Models

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def probe(self) -> None: ...


def groq_on(address: str, *models: str, key: str = KEY, **options: Any) -> Groq:
    return Groq(key, base_url=address, models=Models(models or ("openai/gpt-oss-120b",)), **options)


def openai_on(address: str, *models: str, key: str | None = KEY, **options: Any) -> OpenAI:
    return OpenAI(key, base_url=address, models=Models(models or ("gpt-6-luna",)), **options)


def agent_on(engine: Engine, tools: Sequence[BaseTool] = (), **options: Any) -> GraphAgent:
    return GraphAgent(engine.model, tools, engine.name, prompt=brief, service=engine, **options)


async def said(agent: GraphAgent, history: History = ASKED) -> str:
    async with aclosing(agent.reply(history, WANTED)) as tokens:
        return "".join([token async for token in tokens])


async def failure(agent: GraphAgent, caplog: pytest.LogCaptureFixture) -> EngineError:
    """Returns the error that ends the next reply. Neither it nor the log may contain the key or the user's words."""
    caplog.set_level("DEBUG")
    with pytest.raises(EngineError) as caught:
        await said(agent)
    assert_discreet(caught.value, caplog)
    return caught.value


def assert_discreet(error: EngineError, caplog: pytest.LogCaptureFixture) -> None:
    assert KEY not in str(error)
    assert WORDS not in str(error)
    for record in caplog.records:
        assert KEY not in f"{record.getMessage()} {vars(record)}"
        assert record.levelname == "DEBUG" or WORDS not in record.getMessage()


async def closed_at(agent: GraphAgent, pieces: int = 1) -> float:
    """Closes a reply after some pieces of it, and returns the time on the loop's clock."""
    async with aclosing(agent.reply(ASKED, WANTED)) as tokens:
        for _ in range(pieces):
            await anext(tokens)
        return asyncio.get_running_loop().time()


async def cancelled_at(agent: GraphAgent, begun: asyncio.Event) -> float:
    """Cancels a reply before its first piece, once the service has `begun` with it, and returns the time."""
    reply = asyncio.create_task(said(agent))
    await begun.wait()
    reply.cancel()
    moment = asyncio.get_running_loop().time()
    with pytest.raises(asyncio.CancelledError):
        await reply
    return moment


@dataclass(frozen=True)
class Resources:
    """The numbers of resources that could leak."""

    sockets: int
    threads: int
    tasks: int

    @classmethod
    def now(cls) -> Resources:
        links = [os.readlink(path) for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
        sockets = sum(link.startswith("socket:") for link in links)
        return cls(sockets, threading.active_count(), len(asyncio.all_tasks()))

    def is_within(self, other: Resources) -> bool:
        """Returns True if none of these counts is higher than the other's."""
        return self.sockets <= other.sockets and self.threads <= other.threads and self.tasks <= other.tasks
