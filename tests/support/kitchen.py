"""Tools of a bakery, one of each kind, as an operator writes them for TOOLS. The test holds them up and ends them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from langchain_core.tools import ToolException

from voicebot.agent.tools import confirm, effects, pure

TOOLS = ",".join(f"tests.support.kitchen:{name}" for name in ("bake", "order", "send", "menu", "deliver"))
"""The value of the setting."""


@dataclass
class Kitchen:
    """What has happened in the kitchen of a test."""

    begun: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a tool has begun."""
    may_end: asyncio.Event = field(default_factory=asyncio.Event)
    """The tools that take long wait for it."""
    baked: list[str] = field(default_factory=list)
    """The effects of `bake`."""
    ordered: list[str] = field(default_factory=list)
    """The effects of `order`."""
    sent: int = 0
    """How often `send` has had its effect."""

    async def has_begun(self) -> None:
        """Waits until a tool has begun. Raises TimeoutError."""
        await asyncio.wait_for(self.begun.wait(), 30)


kitchen = Kitchen()


def opened() -> Kitchen:
    """Returns a new kitchen, in which the tools work from now on."""
    global kitchen
    kitchen = Kitchen()
    return kitchen


@effects(limit_s=60)
async def bake(topping: str) -> str:
    """Bake a cake."""
    kitchen.begun.set()
    await kitchen.may_end.wait()
    kitchen.baked.append(topping)
    return f"Cake number {len(kitchen.baked)} is in the box."


@confirm("Shall I order {count} {thing}?")
async def order(count: int, thing: str) -> str:
    """Order something from the wholesaler."""
    kitchen.ordered.append(f"{count} {thing}")
    return f"The wholesaler brings {count} {thing}."


@confirm("All the cakes of today and of tomorrow will leave the house. Shall I send them? Please say yes.")
async def send() -> str:
    """Send all the cakes."""
    kitchen.sent += 1
    return "The cakes are on their way."


@pure
async def menu() -> str:
    """Read the menu."""
    kitchen.begun.set()
    return "We have three cakes today."


@effects(limit_s=0.3)
async def deliver(street: str) -> str:
    """Send a cake to a street."""
    if street == "nowhere":
        raise ToolException("There is no such street.")
    if street == "secret":
        raise RuntimeError("the key is hunter2")
    await asyncio.Event().wait()
    return "never"
