"""A running bot whose tools are those of `tests.support.kitchen`, with a simulated model that calls them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from tests.simulators.brain import Call
from tests.simulators.chat import ChatSimulator
from tests.simulators.tool_brain import ToolBrain
from tests.support import kitchen as bakery
from tests.support.live_server import LiveServer, serving
from tests.support.room import Room
from tests.support.rtc_client import RtcClient
from tests.support.rtc_talk import Talk
from voicebot.bootstrap import engines as build
from voicebot.settings import config

Json = dict[str, Any]


@dataclass
class Shop:
    """The running bot and the model behind it."""

    server: LiveServer
    chat: ChatSimulator

    @property
    def bodies(self) -> list[Json]:
        """The requests to the model."""
        return [request.body for request in self.chat.completions]

    @asynccontextmanager
    async def talking(self, *, room: Room | None = None, conversation: str | None = None) -> AsyncIterator[Talk]:
        async with RtcClient(self.server.url, room=room, conversation=conversation) as client:
            yield Talk(self.server, client)


@asynccontextmanager
async def open_shop(
    calls: Mapping[str, Sequence[Call]], answers: Mapping[str, str] | None = None, **settings: Any
) -> AsyncIterator[Shop]:
    async with ChatSimulator(brain=ToolBrain(calls, answers or {})) as chat:
        keys = {"groq_api_key": "gsk_simulated", "groq_base_url": chat.url}
        engines = {"llm_engine": "groq", "stt_engine": "moonshine", "tts_engine": "espeak"}
        options = config.load(**{**keys, **engines, "tools": bakery.TOOLS, **settings})
        async with serving(build.build(options), options) as server:
            yield Shop(server, chat)
