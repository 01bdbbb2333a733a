"""TURNS_PER_DAY over real connections: the goodbye, the refusals, and what operators see."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.app_process import forked_app
from tests.support.engines import AtPause, ScriptedAgent, ScriptedStt, ToneTts, loud, scripted
from tests.support.live_server import LiveServer, serving
from tests.support.metrics_page import samples, scraped
from tests.support.rtc_bot import quick
from tests.support.rtc_client import OfferRefusedError, RtcClient
from tests.support.waiting import until
from tests.support.ws_bot import bot, words
from tests.support.ws_client import WsClient, plays_until, ws_client
from voicebot.access.admission import DAY_S
from voicebot.audio.sound import Audio
from voicebot.dialogue.history import History, Role
from voicebot.engines.errors import EngineError
from voicebot.languages.prompts import no_answers_left
from voicebot.settings import config
from voicebot.storage.database import StoreError

FAREWELL = no_answers_left("en", DAY_S).partition(".")[0]
OFFER = {"type": "offer", "sdp": "m=audio m=application nonsense", "webrtc_id": "a-name"}


async def stored_history(server: LiveServer, client: WsClient, count: int, last: str = "") -> History:
    """Waits until the conversation in the database has this many messages and ends with `last`, and returns it."""
    name = client.all("connected")[0]["conversation"]
    async with asyncio.timeout(20):
        while True:
            with contextlib.suppress(StoreError):  # The disk may be slow.
                record = await server.services.conversations.read(name)
                history = () if record is None else record.history
                if len(history) >= count and history[-1].text.endswith(last):
                    return history
            await asyncio.sleep(0.02)


async def test_a_turn_over_the_daily_limit_gets_a_goodbye_and_ends_the_session() -> None:
    async with bot([["One."], ["Two."]], turns_per_day=2) as server, ws_client(server) as client:
        for question in ("first", "second"):
            await client.send("text", text=question)
            await plays_until(client, "state", phase="idle")
        await client.send("text", text="third")
        closed = await plays_until(client, "closed")
        assert closed["code"] == "day"
        assert closed["reason"].startswith("The bot has given all its answers for today. It will be back at midnight")
        *_, final = client.all("llm.final")
        assert final["text"].startswith(FAREWELL)
        history = await stored_history(server, client, 6, final["text"])
    assert [message.text for message in history[:5]] == ["first", "One.", "second", "Two.", "third"]
    assert history[5].text == final["text"]
    assert len(history) == 6


async def test_a_reply_in_progress_is_finished_when_the_daily_turns_are_used_up() -> None:
    sentences = ["First sentence here. ", "Second sentence here. ", "Third sentence here."]
    async with (
        bot([sentences], turns_per_day=1) as server,
        ws_client(server) as listener,
        ws_client(server) as other,
    ):
        for client in (listener, other):
            await client.next("connected")
        await listener.send("text", text="talk")
        clip = await listener.next("play_audio")
        await other.send("text", text="me too")
        assert (await plays_until(other, "closed"))["code"] == "day"
        await listener.send("clip_played", sequence=clip["sequence"])
        await plays_until(listener, "state", phase="idle")
        assert words(server) == ["talk", "".join(sentences)]
        assert not listener.all("closed")
        await listener.send("text", text="and more")
        assert (await plays_until(listener, "closed"))["code"] == "day"


async def test_new_connections_are_refused_with_the_reason_when_the_daily_turns_are_used_up() -> None:
    async with bot([["One."]], turns_per_day=1) as server:
        async with ws_client(server) as client:
            await client.send("text", text="first")
            await plays_until(client, "state", phase="idle")
        refused = await server.post("/webrtc/offer", OFFER)
        assert refused.status_code == 429
        assert refused.json()["code"] == "day"
        assert refused.json()["error"].startswith("The bot has given all its answers for today.")
        left_s = server.services.turns.back_in_s
        assert (float(refused.headers["retry-after"]) - left_s) % DAY_S < 60
        async with ws_client(server) as newcomer:
            assert (await newcomer.next("error"))["message"] == refused.json()["error"]
            assert (await newcomer.next("closed"))["code"] == "day"
            await newcomer.socket.wait_closed()
            assert newcomer.socket.close_code == 1013
        with pytest.raises(OfferRefusedError, match=r"429 .*all its answers"):
            async with RtcClient(server.url):
                pass
        assert server.services.admission.sessions == 0


async def test_a_webrtc_user_hears_the_goodbye_when_the_daily_turns_are_used_up() -> None:
    async with quick(ScriptedAgent(), turns_per_day=1) as server, RtcClient(server.url) as client:
        assert await server.services.turns.take()
        client.send({"type": "text", "text": "hello"})
        closed = await client.wait_for_message(lambda message: message["type"] == "closed", 15)
        assert closed["code"] == "day"
        states = [message for message in client.messages if message["type"] == "state" and len(message["chat"]) == 2]
        question, answer = states[-1]["chat"]
        assert question["text"] == "hello"
        assert answer["heard"].startswith(FAREWELL)
        assert answer["unheard"] == ""
        await until(lambda: server.services.admission.sessions == 0)


async def test_the_last_daily_turn_is_not_spent_on_a_preemptive_reply() -> None:
    """A preemptive reply that is thrown away would have used up the turn."""
    heard: list[str | AtPause | EngineError] = [AtPause("what time is it"), "what time is it in Tokyo"]
    agent = ScriptedAgent(scripts=[["Ten."]])
    engines = scripted(ScriptedStt(scripts=[heard]), agent, ToneTts())
    async with serving(engines, config.load(turns_per_day=1)) as server, RtcClient(server.url) as client:
        for piece in (loud(0.6), Audio.silence(0.35, 48_000), loud(0.6)):
            client.microphone.say(piece)
        await client.wait_for_message(lambda message: message["type"] == "state" and len(message["chat"]) == 2, 15)
        (history,) = agent.asked
        assert [(message.role, message.text) for message in history] == [(Role.USER, "what time is it in Tokyo")]
        assert server.services.turns.used == 1


async def test_health_and_metrics_show_the_daily_turn_limit_and_the_turns_used() -> None:
    login: dict[str, Any] = {"app_username": "ann", "app_password": "sesame", "metrics_public": True}
    async with bot(turns_per_day=7, **login) as server:
        await server.services.turns.take()
        async with httpx.AsyncClient(trust_env=False, base_url=server.url) as http:
            health = (await http.get("/health", auth=("ann", "sesame"))).json()
            strangers = (await http.get("/health")).json()
        figures = samples((await scraped(server)).content)
    assert (health["turns_per_day"], health["turns_today"]) == (7, 1)
    assert strangers == {"status": "healthy"}
    assert figures["voicebot_turns_per_day",] == 7
    assert figures["voicebot_turns_today",] == 1


async def test_a_restarted_app_remembers_the_turns_used_today(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/kept.db"
    async with bot([["One."]], database_url=url, turns_per_day=1) as server, ws_client(server) as client:
        await client.send("text", text="first")
        await plays_until(client, "state", phase="idle")
    with forked_app(tmp_path, database_url=url, turns_per_day=1) as app:
        assert app.health()["turns_today"] == 1
        async with httpx.AsyncClient(trust_env=False) as http:
            assert (await http.post(f"{app.url}/webrtc/offer", json=OFFER)).status_code == 429
