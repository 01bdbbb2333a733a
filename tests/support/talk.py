"""A talk with the offline engine through the real graph. The user may interrupt an answer after some of its words."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from tests.support.manual_clock import StoppedClock
from voicebot.agent.agent import GraphAgent
from voicebot.agent.tools import built_in_tools
from voicebot.dialogue.history import History, heard, said
from voicebot.engines.llm.offline import OfflineModel

MOMENT = datetime(2026, 11, 19, 1, 30, tzinfo=UTC)
"""A Thursday; half past ten in the morning in Tokyo."""

WANTED = asyncio.Event()
WANTED.set()


class Talk:
    """One conversation at `MOMENT` or at another time."""

    def __init__(self, moment: datetime = MOMENT) -> None:
        self.agent = _agent_at(moment)
        self.history: History = ()

    async def say(self, text: str, *, hear: int | None = None, **standing: Any) -> str:
        """Returns the answer to `text`. The user hears all of it, or interrupts after the first `hear` words."""
        self.history = said(self.history, text)
        async with aclosing(self.agent.reply(self.history, WANTED, **standing)) as tokens:
            answer = "".join([token async for token in tokens])
        words = answer.split()
        self.history = heard(self.history, " ".join(words[:hear]), interrupted=hear is not None and hear < len(words))
        return answer


@lru_cache(maxsize=8)
def _agent_at(moment: datetime) -> GraphAgent:
    """Returns one agent for all talks at that time. It keeps no state between replies."""
    clock = StoppedClock(moment)
    return GraphAgent(OfflineModel(date_clock=clock), built_in_tools(clock), "offline")
