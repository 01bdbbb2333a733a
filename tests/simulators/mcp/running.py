"""Starts MCP servers for a test."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.simulators.mcp import misbehaving_server
from tests.support.closed_port import closed_port
from tests.support.paths import PROJECT
from voicebot.agent.mcp.servers import McpServers
from voicebot.settings.mcp_servers import McpAddress, McpCommand, McpServerSettings

MODULE = "tests.simulators.mcp.sdk_server"
PATHS = {
    "PYTHONPATH": str(PROJECT),
    "PYTHONWARNINGS": "ignore",
    **{name: os.environ[name] for name in ("PYTHONPYCACHEPREFIX",) if name in os.environ},
}
"""What the servers need in order to start quickly."""


def sdk_command(ledger: Path, **env: str) -> McpCommand:
    """Returns how the server is started that is built with the SDK."""
    return McpCommand(sys.executable, ("-m", MODULE, str(ledger)), {**PATHS, **env})


def misbehaving(*manners: str, name: str = "odd", **options: Any) -> McpServerSettings:
    """Returns the settings for a server that misbehaves in this way."""
    place = McpCommand(sys.executable, (misbehaving_server.__file__, *manners))
    return McpServerSettings(name, place, **options)


@asynccontextmanager
async def connected(*settings: McpServerSettings) -> AsyncIterator[McpServers]:
    """Yields the servers once each of them works or has failed."""
    servers = McpServers(settings)
    await servers.start()
    try:
        async with asyncio.timeout(30):
            await servers.settle()
        yield servers
    finally:
        await servers.close()


@asynccontextmanager
async def http_server(ledger: Path, *arguments: str) -> AsyncIterator[McpAddress]:
    """Runs the server that is built with the SDK over HTTP."""
    port = closed_port()
    async with http_server_at(port, ledger, *arguments):
        yield McpAddress(f"http://127.0.0.1:{port}/mcp")


@asynccontextmanager
async def http_server_at(port: int, ledger: Path, *arguments: str) -> AsyncIterator[None]:
    command = (sys.executable, "-m", MODULE, str(ledger), str(port), *arguments)
    process = await asyncio.create_subprocess_exec(*command, env={**os.environ, **PATHS})
    try:
        async with asyncio.timeout(30):
            while not await _answers(port):  # noqa: ASYNC110 (nothing tells of it)
                await asyncio.sleep(0.02)
        yield
    finally:
        process.kill()
        await process.wait()


async def _answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


def events(ledger: Path) -> Sequence[str]:
    """Returns what the server has noted so far."""
    return ledger.read_text().splitlines() if ledger.exists() else []
