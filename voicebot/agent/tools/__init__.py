"""The agent's tools. To add one, write its file in this folder and add a line to `toolbox`."""

from __future__ import annotations

from langchain_core.tools import BaseTool

from voicebot.agent.tools.calculator import calculator_tool
from voicebot.agent.tools.clock import clock_tool
from voicebot.runtime.clock import DateClock, MachineClock

PURE = "pure"
"""The tag of tools without effects outside. They may run even for an answer that may be discarded."""


def toolbox(date_clock: DateClock | None = None) -> list[BaseTool]:
    """Creates all tools. They use the machine's clock unless another one is given."""
    clock = MachineClock() if date_clock is None else date_clock
    return [
        _pure(clock_tool(clock)),
        _pure(calculator_tool()),
    ]


def _pure(tool: BaseTool) -> BaseTool:
    tool.tags = [PURE]
    return tool
