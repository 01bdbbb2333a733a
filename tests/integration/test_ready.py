"""`/ready` says whether another session can begin, and clients of a process that drains are told to go on elsewhere."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect

from tests.support.engines import ScriptedAgent, ScriptedStt, ToneTts, scripted
from tests.support.live_server import LiveServer, serving
from tests.support.waiting import until
from tests.support.ws_client import ws_client
from voicebot.access.close_codes import MOVING
from voicebot.engines.health import EngineHealth
from voicebot.settings import config
from voicebot.workers.link import Order


def engines() -> Any:
    return scripted(ScriptedStt(), ScriptedAgent(scripts=[]), ToneTts())


async def ready(server: LiveServer) -> tuple[int, str]:
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.get(f"{server.url}/ready")
    return answer.status_code, answer.json()["status"]


async def test_it_tells_a_full_server_from_an_unhealthy_one_and_health_only_that_it_lives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with serving(engines(), config.load(max_sessions=1)) as server:
        assert await ready(server) == (200, "ready")
        async with ws_client(server) as client:
            await client.next("connected")
            assert await ready(server) == (503, "full")
            assert (await server.get("/health"))["status"] == "healthy"
        await until(lambda: not list(server.services.sessions))
        await until(lambda: server.services.admission.sessions == 0)
        assert await ready(server) == (200, "ready")
        monkeypatch.setattr(EngineHealth, "problem", "No recogniser works.")
        assert await ready(server) == (503, "unhealthy")


async def test_a_process_that_drains_tells_its_clients_and_takes_no_others_although_one_of_them_does_not_read() -> None:
    async with serving(engines(), config.load()) as server, ws_client(server) as client, ws_client(server) as unread:
        for each in (client, unread):
            await each.next("connected")
        unread.socket.transport.pause_reading()
        server.application.ending.obey(Order.DRAIN)
        assert await client.next("closed") == {"event": "closed", "code": "moving", "reason": MOVING.reason}
        await asyncio.wait_for(asyncio.shield(server.serves), 15)
        with pytest.raises(httpx.ConnectError):
            await ready(server)
        unread.socket.transport.resume_reading()  # or its own end would wait


async def test_a_client_that_comes_to_a_process_that_ends_is_refused_with_the_code_moving() -> None:
    async with serving(engines(), config.load()) as server:
        await server.services.sessions.end_all(MOVING)
        assert await ready(server) == (503, "draining")
        offer = {"sdp": "v=0", "type": "offer", "webrtc_id": "late"}
        answer = await server.post("/webrtc/offer", offer)
        assert (answer.status_code, answer.json()["code"]) == (503, "moving")
        async with connect(f"{server.url.replace('http', 'ws')}/ws", proxy=None) as late:
            assert json.loads(await late.recv())["code"] == "moving"
            assert json.loads(await late.recv()) == {"event": "closed", "code": "moving", "reason": MOVING.reason}
