"""The start of the bot with and without MCP servers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.app_process import environment
from tests.support.paths import PROJECT

PROGRAM = """
import sys
import voicebot.__main__ as command
from voicebot.bootstrap import process

def run(serving):
    serving.close()
    print("gradio" in sys.modules, "mcp.client" in sys.modules)

process.asyncio.run = run
sys.argv = ["voicebot", "--port", "0"]
sys.exit(command.main())
"""
"""Starts the bot up to the moment in which it would serve."""


def started(folder: Path, **settings: object) -> subprocess.CompletedProcess[str]:
    given = environment(llm_engine="offline", tts_engine="espeak", **settings) | {"PYTHONPATH": str(PROJECT)}
    command = [sys.executable, "-c", PROGRAM]
    return subprocess.run(command, cwd=folder, env=given, capture_output=True, text=True, timeout=100, check=False)


def test_the_sdk_is_not_loaded_if_there_is_no_server(tmp_path: Path) -> None:
    (tmp_path / "mcp.json").write_text('{"mcpServers": {}}', "utf-8")
    ended = started(tmp_path, mcp_config="mcp.json")
    assert ended.stdout == "True False\n", ended.stderr


def test_the_bot_does_not_start_with_a_file_that_is_wrong(tmp_path: Path) -> None:
    ended = started(tmp_path, mcp_config="nowhere.json")
    assert ended.returncode == 1
    assert ended.stderr == "Voice Bot can't start.\nMCP_CONFIG: nowhere.json: No such file or directory\n"
