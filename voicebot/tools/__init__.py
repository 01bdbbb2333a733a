"""What the agent can do beside talking. To add a tool: one file here, one line in `toolbox`."""

from __future__ import annotations

from langchain_core.tools import BaseTool

from voicebot.tools.calculator import calculator_tool
from voicebot.tools.clock import Now, clock_tool, machine_time

PURE = "pure"
"""The tag of tools that have no effects outside: they may run for an answer that nobody may ever hear."""


def toolbox(now: Now = machine_time) -> list[BaseTool]:
    """All tools, made anew."""
    return [_pure(clock_tool(now)), _pure(calculator_tool())]


def _pure(tool: BaseTool) -> BaseTool:
    tool.tags = [PURE]
    return tool
