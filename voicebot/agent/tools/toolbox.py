"""The tools that a bot's graph is given: the built-in ones, the builder's own, and those of sources that change."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol, runtime_checkable

from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool

from voicebot.agent.tools.calculator import calculator_tool
from voicebot.agent.tools.calls import ToolFailedError
from voicebot.agent.tools.clock import clock_tool
from voicebot.agent.tools.decorators import pure
from voicebot.agent.tools.guarded import GuardedTool
from voicebot.agent.tools.policy import DEFAULT_LIMIT_S, ToolError
from voicebot.agent.tools.reply_tools import ReplyTools
from voicebot.dialogue.tool_calls import CallRecord, CallStatus
from voicebot.engines.llm.messages import tools_tokens
from voicebot.runtime.clock import DateClock, MachineClock
from voicebot.runtime.limits import TOOL_THREADS
from voicebot.runtime.threads import DaemonThreads

logger = logging.getLogger(__name__)


MOST_TOOLS = 128
"""How many tools OpenAI's API accepts in one request (platform.openai.com/docs/api-reference/chat/create)."""


@runtime_checkable
class ToolSource(Protocol):
    """Tools that may change while the bot runs, such as those of a server."""

    @property
    def tools(self) -> tuple[BaseTool, ...]:
        """The tools that can be called now: the same tuple as long as nothing has changed."""
        ...


def built_in_tools(date_clock: DateClock | None = None) -> tuple[BaseTool, ...]:
    """Creates the built-in tools. They use the machine's clock unless another one is given."""
    clock = MachineClock() if date_clock is None else date_clock
    return (pure(clock_tool(clock)), pure(calculator_tool()))


def too_many(tools: Sequence[BaseTool], most_tokens: int) -> str:
    """Returns in words why the tools may be too many for a model, whose history has at most `most_tokens`, or ""."""
    if len(tools) > MOST_TOOLS:
        return f"there are {len(tools)} tools, and OpenAI's API accepts {MOST_TOOLS}"
    needed = tools_tokens([convert_to_openai_tool(tool) for tool in tools])
    if needed > most_tokens:
        return (
            f"the descriptions of the {len(tools)} tools have about {needed:,} tokens in each request, beside a history"
            f" of at most {most_tokens:,}"
        )
    return ""


class Toolbox:
    """The tools of the bot, each wrapped so that its policy holds in any graph.

    All sessions share it. Of tools with the same name the one that is given last counts; the tools of `sources` never
    replace others. The log says if the tools become more than fits beside a history of `history_max_tokens`.
    """

    def __init__(
        self,
        tools: Sequence[BaseTool] = (),
        sources: Sequence[ToolSource] = (),
        history_max_tokens: int | None = None,
    ) -> None:
        """Raises ToolError if one of the `tools` cannot be used."""
        self._history_max_tokens = history_max_tokens
        self._threads = DaemonThreads(TOOL_THREADS)
        self._fixed = {tool.name: self._guarded(tool) for tool in tools}
        self._sources = tuple(sources)
        self._seen: tuple[tuple[BaseTool, ...], ...] | None = None
        """What the sources offered when `_tools` was put together."""
        self._tools: tuple[GuardedTool, ...] = ()

    @property
    def tools(self) -> tuple[GuardedTool, ...]:
        """The tools that can be called now: the same tuple as long as nothing has changed."""
        offered = tuple(source.tools for source in self._sources)
        if self._seen is None or any(one is not other for one, other in zip(offered, self._seen, strict=True)):
            self._seen, self._tools = offered, self._collected(offered)
        return self._tools

    def find(self, name: str) -> GuardedTool | None:
        """Returns the tool with this name, or None."""
        return next((tool for tool in self.tools if tool.name == name), None)

    async def run_confirmed(self, call: CallRecord, reply: ReplyTools) -> CallRecord:
        """Runs a call that the user has confirmed, once the reply is wanted; returns how it ended."""
        tool = self.find(call.tool)
        effect = _missing(call.tool) if tool is None else tool.effect_of(call, reply)
        limit_s = DEFAULT_LIMIT_S if tool is None else tool.policy.limit_s
        async with reply.working():
            return await reply.run_effect(replace(call, status=CallStatus.RUNNING, result=""), effect, limit_s)

    def _collected(self, offered: Sequence[Sequence[BaseTool]]) -> tuple[GuardedTool, ...]:
        found = dict(self._fixed)
        kept = {id(tool.inner): tool for tool in self._tools}
        for tool in (tool for tools in offered for tool in tools):
            if tool.name in found:
                logger.warning("a tool called %s is left out, because another one has its name", tool.name)
                continue
            try:
                found[tool.name] = kept.get(id(tool)) or self._guarded(tool)
            except ToolError as error:
                logger.warning("a tool is left out: %s", error)
        tools = tuple(found.values())
        if self._history_max_tokens is not None and (problem := too_many(tools, self._history_max_tokens)):
            logger.warning("%s; some models will fail", problem)
        return tools

    def _guarded(self, tool: BaseTool) -> GuardedTool:
        try:
            return tool if isinstance(tool, GuardedTool) else GuardedTool(tool, self._threads)
        except ToolError as error:
            raise ToolError(f"{tool.name}: {error}") from None


async def _missing(tool: str) -> str:
    raise ToolFailedError(f"Error: the tool {tool} is not there any more.")
