"""What the agent can do beside talking. To add a tool: one file here, one line in `toolbox`."""

from __future__ import annotations

from langchain_core.tools import BaseTool

from voicebot.agent.tools.calculator import calculator_tool
from voicebot.agent.tools.clock import clock_tool
from voicebot.runtime.clock import DateClock, MachineClock

PURE = "pure"
"""The tag of tools that have no effects outside: they may run for an answer that nobody may ever hear."""


def toolbox(date_clock: DateClock | None = None) -> list[BaseTool]:
    """All tools, made anew. They read the machine's clock unless another one is given."""
    clock = MachineClock() if date_clock is None else date_clock
    return [_pure(clock_tool(clock)), _pure(calculator_tool())]


def _pure(tool: BaseTool) -> BaseTool:
    tool.tags = [PURE]
    return tool
