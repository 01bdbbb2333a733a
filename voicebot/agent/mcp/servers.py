"""All MCP servers of the bot, and their tools."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from langchain_core.tools import BaseTool

from voicebot.agent.mcp.server import McpServer
from voicebot.agent.mcp.tools import tools_of
from voicebot.engines.errors import EngineError
from voicebot.engines.health import MCP
from voicebot.engines.protocols import EngineStatus, FailureCounter
from voicebot.settings.mcp_servers import McpServerSettings

logger = logging.getLogger(__name__)

SDK_LOGGERS = ("mcp", "client")
"""The SDK logs what servers send, with a traceback for each message that is not valid. All that matters of it is in the
errors that it raises."""


class McpServers:
    """The servers, each of which is started, watched and restarted by itself, and the tools of all of them."""

    def __init__(self, settings: Sequence[McpServerSettings]) -> None:
        self._servers = [McpServer(each, self) for each in settings]
        self._tools: tuple[BaseTool, ...] = ()
        self._counter: FailureCounter | None = None

    @property
    def tools(self) -> tuple[BaseTool, ...]:
        """The tools of all servers: the same object as long as nothing changes."""
        return self._tools

    @property
    def health(self) -> tuple[EngineStatus, ...]:
        return tuple(server.status for server in self._servers)

    @property
    def remarks(self) -> tuple[tuple[str, ...], ...]:
        return tuple(server.remarks for server in self._servers)

    def count_failures(self, counter: FailureCounter) -> None:
        self._counter = counter

    async def start(self) -> None:
        for name in SDK_LOGGERS:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        for server in self._servers:
            server.start()

    async def settle(self) -> None:
        await asyncio.gather(*(server.settle() for server in self._servers))

    async def close(self) -> None:
        await asyncio.gather(*(server.close() for server in self._servers))

    # Called by the servers --------------------------------------------------------------------------------------------

    def tools_changed(self) -> None:
        taken: set[str] = set()
        for server in self._servers:
            tools, problems = tools_of(server.settings, server.listed, server, taken)
            for problem in problems:
                if problem not in server.problems:
                    logger.warning("mcp: %s: %s", server.settings.name, problem)
            server.tools, server.problems = tuple(tools), tuple(problems)
        self._tools = tuple(tool for server in self._servers for tool in server.tools)

    def server_failed(self, error: EngineError) -> None:
        if self._counter is not None:
            self._counter.count_failure(MCP, error.engine, error)
