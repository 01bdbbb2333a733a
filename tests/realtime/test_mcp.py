"""The app with MCP servers: what it reports of them, and what is left of them when it ends."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.simulators.mcp import misbehaving_server
from tests.support.app_process import forked_app
from tests.support.waiting import until

SERVERS: dict[str, Any] = {
    "well": {"command": sys.executable, "args": [misbehaving_server.__file__, "ignores-sigterm", "stays"]},
    "broken": {"command": sys.executable, "args": [misbehaving_server.__file__, "dies-at-start"]},
    "hanging": {"command": sys.executable, "args": [misbehaving_server.__file__, "hangs"]},
    "away": {"url": "http://127.0.0.1:9/mcp"},
}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "mcp.json"
    file.write_text(json.dumps({"mcpServers": SERVERS}), "utf-8")
    return file


async def test_servers_are_reported_and_end_with_the_bot(config: Path, tmp_path: Path) -> None:
    with forked_app(tmp_path, mcp_config=config) as app:
        begun = app.health()
        assert begun["status"] == "healthy"
        assert {server["name"] for server in begun["stages"]["mcp"]} == SERVERS.keys()

        def reports() -> dict[str, Any]:
            return {server["name"]: server for server in app.health()["stages"]["mcp"]}

        await until(lambda: reports()["well"]["ready"] and reports()["broken"]["reason"] != "it is starting", 30)
        await until(lambda: reports()["away"]["reason"] == "it cannot be reached", 30)
        found = reports()
        assert (found["well"]["tools"], found["well"]["reason"]) == (1, None)
        assert (found["broken"]["ready"], found["broken"]["reason"]) == (False, "it ended with status 4")
        assert (found["hanging"]["ready"], found["hanging"]["reason"]) == (False, "it is starting")
        metrics = await asyncio.to_thread(lambda: httpx.get(f"{app.url}/metrics", trust_env=False).text)
        assert 'voicebot_engine_ready{engine="well",stage="mcp"} 1.0' in metrics
        assert 'voicebot_engine_errors_total{engine="away",fault="unreachable",stage="mcp"}' in metrics
        servers = [child for child in app.process.children() if misbehaving_server.__file__ in child.cmdline()]
        assert len(servers) == 2
    for server in servers:
        with pytest.raises(psutil.NoSuchProcess):
            server.cmdline()
