"""The terminal client and load driver, against the running app."""

from __future__ import annotations

import asyncio
import base64
import os
import re
import threading
from pathlib import Path

import pytest

from tests.support.engines import ScriptedAgent, ScriptedStt, ToneTts, scripted
from tests.support.live_server import serving
from tests.support.ws_client import recording
from voicebot.client.__main__ import load, talk
from voicebot.settings import config


async def test_the_client_sends_an_audio_file_and_prints_the_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wav = tmp_path / "hello.wav"
    wav.write_bytes(base64.b64decode(recording("wav")))
    engines = scripted(ScriptedStt(scripts=[["hello"]]), ScriptedAgent(scripts=[["Good day."]]), ToneTts())
    async with serving(engines, config.load(preemptive_replies=False)) as server:
        await talk(server.url.replace("http", "ws") + "/ws", wav)
    shown = capsys.readouterr().out
    assert "you:     hello" in shown
    assert "bot:     Good day." in shown
    assert re.search(r"gap:     \d+ ms", shown)


async def test_the_load_driver_runs_sessions_and_prints_their_figures(capsys: pytest.CaptureFixture[str]) -> None:
    engines = scripted(ScriptedStt(), ScriptedAgent(scripts=[["Good day."]] * 100), ToneTts())
    async with serving(engines, config.load(preemptive_replies=False)) as server:
        await load(server.url.replace("http", "ws") + "/ws", None, 3, 1.0)
    shown = capsys.readouterr().out
    assert "3 of 3 sessions" in shown
    assert re.search(r"gap: median \d+ ms, p95 \d+ ms", shown)
    assert "underruns: 0" in shown


async def test_the_client_stops_when_the_server_ends_the_session(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The user types nothing, so the keyboard never delivers a line."""
    readable, writable = os.pipe()
    engines = scripted(ScriptedStt(), ScriptedAgent(), ToneTts())
    with os.fdopen(readable) as keyboard, os.fdopen(writable, "w") as typing:
        monkeypatch.setattr("sys.stdin", keyboard)
        async with serving(engines, config.load(session_minutes=0.01)) as server:
            await asyncio.wait_for(talk(server.url.replace("http", "ws") + "/ws", None), 5)
        typing.close()  # ends the thread that waits for input
        for thread in threading.enumerate():
            if thread.name == "keyboard":
                thread.join(5)
    assert "The time limit of 0.01 minutes is over." in capsys.readouterr().out
