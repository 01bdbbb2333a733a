"""A scripted bot for clients of `/ws`, and access to its session."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from tests.support.engines import ScriptedAgent, ScriptedStt, ToneTts, scripted
from tests.support.live_server import LiveServer, serving
from tests.support.waiting import until
from tests.support.ws_client import WsClient
from voicebot.dialogue.history import History
from voicebot.session.session import Session
from voicebot.settings import config


@asynccontextmanager
async def bot(
    replies: Sequence[Sequence[str | asyncio.Event | Exception]] = (),
    heard: Sequence[Sequence[Any]] = (),
    letter_s: float = 0.01,
    late_s: float = 0.0,
    **options: Any,
) -> AsyncIterator[LiveServer]:
    voice = ToneTts(letter_s=letter_s, late_s=late_s)
    engines = scripted(ScriptedStt(scripts=list(heard)), ScriptedAgent(scripts=list(replies)), voice)
    async with serving(
        engines, config.load(**{"preemptive_replies": False, "messages_per_s": 100_000} | options)
    ) as server:
        yield server


def session(server: LiveServer) -> Session:
    (only,) = server.sessions("ws")
    assert isinstance(only, Session)
    return only


def history(server: LiveServer) -> History:
    return session(server).state.history


def words(server: LiveServer) -> list[str]:
    return [message.text for message in history(server)]


async def play(client: WsClient, clip: dict[str, Any]) -> None:
    """Waits for the length of the clip and acknowledges it."""
    await asyncio.sleep(clip["duration_ms"] / 1000)
    await client.send("clip_played", sequence=clip["sequence"])


async def until_heard(server: LiveServer, count: int) -> None:
    """Waits until the server counts `count` words of the reply as heard, while the client plays it."""

    def is_heard() -> bool:
        reply = session(server).state.reply
        return reply is not None and len(reply.heard.split()) >= count

    await until(is_heard)


async def until_empty(server: LiveServer) -> None:
    async with asyncio.timeout(5):
        while server.services.admission.sessions:  # noqa: ASYNC110 (it has no event)
            await asyncio.sleep(0.01)
