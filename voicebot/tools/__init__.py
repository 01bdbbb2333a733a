"""What the agent can do beside talking. To add a tool: one file here, one line in `toolbox`."""

from __future__ import annotations

from langchain_core.tools import BaseTool

from voicebot.tools.calculator import calculator_tool
from voicebot.tools.clock import Now, clock_tool, machine_time


def toolbox(now: Now = machine_time) -> list[BaseTool]:
    """All tools, made anew."""
    return [clock_tool(now), calculator_tool()]
