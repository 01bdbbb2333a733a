"""Clients that do not acknowledge, do not read, or announce speech and then send none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import cast

import pytest
from starlette.websockets import WebSocket

from tests.support.engines import ScriptedAgent, ScriptedStt, ToneTts, scripted
from tests.support.ws_bot import bot
from tests.support.ws_client import recording, ws_client
from voicebot.bootstrap import application as bootstrap
from voicebot.dialogue.state import Rules
from voicebot.settings import config
from voicebot.settings.config import Settings
from voicebot.storage.conversation import StoredConversation
from voicebot.transports.websocket import playout
from voicebot.transports.websocket.connection import WebSocketConnection

LONG = "One two three four five six seven eight nine ten eleven twelve."


async def test_a_client_that_stops_acknowledging_gets_an_error_and_can_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(playout, "STALLED_S", 0.5)
    async with bot([[LONG], ["Hello."]], letter_s=0.01) as server, ws_client(server) as client:
        await client.send("text", text="count")
        clip = await client.next("play_audio")
        await client.send("clip_played", sequence=clip["sequence"], played_ms=0)
        assert "acknowledged no clip" in (await client.next("error"))["message"]
        await client.next("state", phase="idle")
        await client.send("text", text="hi")
        assert (await client.next("play_audio"))["text"] == "Hello."


class DeafSocket:
    """The socket of a client that neither reads nor sends anything."""

    async def receive(self) -> dict[str, object]:
        await asyncio.Event().wait()
        return {}

    async def send_text(self, _: str) -> None:
        await asyncio.Event().wait()

    async def close(self, _: int) -> None: ...


async def test_the_session_of_a_client_that_does_not_read_ends() -> None:
    engines = scripted(ScriptedStt(), ScriptedAgent(), ToneTts())
    application = bootstrap.application(config.load(media_timeout_s=1), engines)
    services = application.services
    deaf = WebSocketConnection(
        *(
            cast(WebSocket, DeafSocket()),
            services,
            await services.admission.take_slot("192.0.2.1"),
            StoredConversation(),
        ),
        application.decoder,
        rate_hz=16_000,
        can_pause=False,
    )
    async with asyncio.timeout(5):
        await deaf.run()
    assert deaf.session.over.is_set()
    await application.close()
    assert {task.get_name() for task in asyncio.all_tasks()} & {"session", "receiving", "transmitting"} == set()


async def test_announced_speech_that_never_comes_pauses_the_bot_only_briefly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The bot resumes by itself, tells the client why, and still hears what the user says later."""
    usual: Callable[[Settings], Rules] = vars(Settings)["rules"].fget
    quick = property(lambda settings: replace(usual(settings), announced_timeout_s=0.3))
    monkeypatch.setattr(Settings, "rules", quick)
    answers, heard = [[LONG], ["Yes."]], [["x"], ["what is the time"]]
    async with bot(answers, heard, letter_s=0.06) as server, ws_client(server) as client:
        await client.send("text", text="hello")
        await client.next("play_audio")
        await client.send("speech_start")
        await client.next("stop_playback")
        await client.next("verdict", decision="resume", reason="speech was announced and did not come within 0.3 s")
        await client.next("playback_resume")
        await client.send("speech_end", audio=recording("wav"))
        assert (await client.next("asr.final", text="what is the time"))["text"] == "what is the time"
        await client.next("play_audio", text="Yes.")
