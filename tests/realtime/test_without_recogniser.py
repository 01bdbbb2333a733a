"""A bot that can start no recogniser, as on a system without a wheel of Moonshine, answers typed text."""

from __future__ import annotations

import httpx
import pytest

from tests.support.live_server import serving
from tests.support.rtc_client import RtcClient
from voicebot.bootstrap import engines as build
from voicebot.engines.stt.moonshine import model
from voicebot.settings import config


async def test_a_bot_without_a_recogniser_starts_with_a_notice_and_answers_typed_text(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(model, "find_spec", lambda name: None)
    settings = config.load(stt_engine="moonshine", llm_engine="offline", tts_engine="espeak")
    async with serving(build.build(settings), settings) as server, httpx.AsyncClient(trust_env=False) as http:
        page = (await http.get(f"{server.url}/webrtc/config")).json()
        assert page["problem"] is None
        assert page["notice"].startswith(
            "Speech recognition is not available, but you can type. moonshine: the package"
        )
        assert "set DEEPGRAM_API_KEY" in page["notice"]
        async with RtcClient(server.url) as client:
            client.send({"type": "text", "text": "what is ten times three"})
            await client.wait_for_message(
                lambda message: message["type"] == "state" and "thirty" in str(message["chat"][-1:]).lower(), 30
            )
    warnings = [record for record in caplog.records if "moonshine" in record.getMessage()]
    assert len([record for record in warnings if record.levelname == "WARNING"]) == 1
