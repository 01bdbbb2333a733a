"""The measuring client against a minimal FastRTC bot: its reports are right, and it leaves nothing behind."""

from __future__ import annotations

import asyncio
import threading

import aioice.ice
import psutil
import pytest

from tests.support.echo_bot import echo_bot
from tests.support.rtc_client import OfferRefusedError, RtcClient
from tests.support.sounds import tone
from voicebot.audio.sound import WIRE_RATE_HZ, Audio
from voicebot.transports.webrtc import aiortc_tuning


@pytest.fixture(autouse=True)
def tuned() -> None:
    assert aiortc_tuning.apply()


@pytest.mark.alone
async def test_a_client_connects_within_a_second_and_hears_its_echo_within_150_ms() -> None:
    async with echo_bot() as bot, RtcClient(bot.base_url) as client:
        assert client.connect_s < 1.0
        start = client.microphone.say(tone(0.5))
        heard_s = await client.heard.wait_for_sound()
        assert heard_s - client.microphone.sent_at(start) < 0.15, "two of aiortc's own buffers cost 160 ms"
        await client.heard.wait_for_silence()
        sounding = [frame.audio for frame in client.heard.frames if frame.is_sound]
        assert Audio.joined(sounding, WIRE_RATE_HZ).duration_s == pytest.approx(0.5, abs=0.05)
        softer_db = tone(1).level_dbfs - sounding[5].level_dbfs
        assert softer_db == pytest.approx(3, abs=0.5), "FastRTC makes two channels of one, each 3 dB softer"


async def test_messages_go_both_ways() -> None:
    async with echo_bot() as bot, RtcClient(bot.base_url) as client:
        client.send({"type": "hello"})
        answer = await client.wait_for_message(lambda message: message["type"] == "log")
        assert answer["data"] == 'Server received: {"type": "hello"}'


async def test_a_refused_offer_raises_with_the_reason_and_leaves_no_task() -> None:
    async with echo_bot(concurrency_limit=0) as bot:
        before = asyncio.all_tasks()
        with pytest.raises(OfferRefusedError, match="concurrency_limit_reached"):
            async with RtcClient(bot.base_url):
                pass
        assert asyncio.all_tasks() == before


async def test_an_http_error_counts_as_a_refused_offer() -> None:
    async with echo_bot() as bot:
        with pytest.raises(OfferRefusedError, match="404"):
            async with RtcClient(f"{bot.base_url}/nowhere"):
                pass


async def test_connections_leave_no_task_and_no_thread() -> None:
    tasks, threads = asyncio.all_tasks(), threading.active_count()
    async with echo_bot() as bot:
        for _ in range(3):
            async with RtcClient(bot.base_url) as client:
                handler = bot.handler(client.webrtc_id)
                await client.heard.wait_for_frames(5)
            await asyncio.wait_for(handler.ended.wait(), 5)
    assert asyncio.all_tasks() == tasks
    assert threading.active_count() == threads


async def test_a_vanished_peer_is_noticed_within_fifteen_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    longest_s = aioice.ice.CONSENT_FAILURES * (1.2 * aioice.ice.CONSENT_INTERVAL + 0.5)
    assert 10 <= longest_s <= 15
    monkeypatch.setattr(aioice.ice, "CONSENT_INTERVAL", 0.1)
    monkeypatch.setattr(aioice.ice, "CONSENT_FAILURES", 2)
    async with echo_bot() as bot, RtcClient(bot.base_url) as client:
        handler = bot.handler(client.webrtc_id)
        client.link.cut()
        await asyncio.wait_for(handler.ended.wait(), 5)
        assert not bot.pcs


@pytest.mark.parametrize("steps", [*range(1, 15)])
async def test_a_client_that_is_cancelled_while_it_opens_its_sockets_closes_all_of_them(steps: int) -> None:
    before = udp_sockets()
    client = RtcClient("http://127.0.0.1:9")
    connecting = asyncio.create_task(client.connect())
    for _ in range(steps):
        await asyncio.sleep(0)
    connecting.cancel()
    await asyncio.wait({connecting})
    await client.close()
    assert udp_sockets() == before


def udp_sockets() -> int:
    return len(psutil.Process().net_connections("udp"))
