"""A tool with effects that works until the test lets it end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from langchain_core.tools import BaseTool

from tests.support.scripted_model import call
from voicebot.agent.tools import effects

ORDER = [call("order", '{"what": "tea"}')]
"""An answer of a scripted model that calls the tool."""


@dataclass
class Orders:
    """The tool, and what it has done."""

    begun: asyncio.Event = field(default_factory=asyncio.Event)
    let_go: asyncio.Event = field(default_factory=asyncio.Event)
    made: list[str] = field(default_factory=list)

    @property
    def tool(self) -> BaseTool:
        @effects
        async def order(what: str) -> str:
            """Order something."""
            self.begun.set()
            await self.let_go.wait()
            self.made.append(what)
            return f"ordered {what}"

        return order
