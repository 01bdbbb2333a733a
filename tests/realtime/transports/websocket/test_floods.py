"""Floods of sound and of frames: other sessions are not delayed, and no sound that can have been spoken is lost."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from tests.support.engines import ScriptedAgent, ScriptedStt, ToneTts, loud, scripted
from tests.support.live_server import LiveServer, serving
from tests.support.waiting import until
from tests.support.ws_bot import bot, until_empty
from tests.support.ws_client import ws_client
from voicebot.runtime import limits
from voicebot.settings import config
from voicebot.web import server as web
from voicebot.web.websocket_server import WebSocketServerProtocol

MASK = bytes(4)
PING, EMPTY_PART = b"\x89\x80" + MASK, b"\x00\x80" + MASK
FLOOD_S = 2.0
"""In this time the event loop is timed some 300 times. The slowest 15 do not count, as another process may have had the
processor."""
TINY_SOUND = b"\x82\x82" + MASK + b"\0\0"


class RawClient:
    """A websocket client that sends bytes as they are, and reads only if it is told to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def pour(self, data: bytes, duration_s: float) -> int:
        """Sends the data over and over, as fast as the server takes it. Returns how many bytes the system has taken."""
        sent = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(duration_s):
                while True:
                    self.writer.write(data)
                    await self.writer.drain()
                    sent += len(data)
        return sent


@asynccontextmanager
async def raw_client(server: LiveServer, query: str = "") -> AsyncIterator[RawClient]:
    host, port = server.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        f"GET /ws{query} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    answer = await reader.readuntil(b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 101 "), answer
    try:
        yield RawClient(reader, writer)
    finally:
        writer.transport.abort()


FIRST_WINDOWS_S = 0.1
"""No sound comes before the speech, so that the detector needs its first windows to be sure."""


async def longest_pauses_s(duration_s: float) -> list[float]:
    """Returns by how much each of many waits of 5 ms was too long on this event loop, which also runs the server.

    The longest comes first.
    """
    loop = asyncio.get_running_loop()
    end_s, late = loop.time() + duration_s, []
    while loop.time() < end_s:
        begun_s = loop.time()
        await asyncio.sleep(0.005)
        late.append(loop.time() - begun_s - 0.005)
    return sorted(late, reverse=True)


# Live sound -----------------------------------------------------------------------------------------------------------


async def test_sound_that_arrives_late_and_all_at_once_is_heard_whole() -> None:
    """The network stalls for 8 s while the user speaks; what they said is heard within a second, to the last word."""
    stt = ScriptedStt(scripts=[["good day"]])
    engines = scripted(stt, ScriptedAgent(scripts=[["Yes."]]), ToneTts())
    async with serving(engines, config.load(preemptive_replies=False)) as server, ws_client(server) as client:
        pcm = loud(7.5, 16_000).to_bytes() + bytes(2 * 16_000)
        begun_s = time.monotonic()
        for start in range(0, len(pcm), 640):
            await client.socket.send(pcm[start : start + 640])
        assert (await client.next("asr.final"))["text"] == "good day"
        assert time.monotonic() - begun_s < 5
    (heard,) = stt.heard
    assert 7.5 - FIRST_WINDOWS_S < heard.duration_s <= 8.5, "all of the speech, and silence after it"


async def test_sound_sent_ahead_of_real_time_waits_and_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LIVE_BURST_S", 1.0)
    stt = ScriptedStt(scripts=[["good day"]])
    engines = scripted(stt, ScriptedAgent(scripts=[["Yes."]]), ToneTts())
    async with serving(engines, config.load(preemptive_replies=False)) as server, ws_client(server) as client:
        pcm = loud(4.0, 16_000).to_bytes() + bytes(2 * 16_000)
        begun_s = time.monotonic()
        for start in range(0, len(pcm), 64_000):
            await client.socket.send(pcm[start : start + 64_000])
        assert (await client.next("asr.final"))["text"] == "good day"
        assert 2.5 < time.monotonic() - begun_s < 5
    (heard,) = stt.heard
    assert 4.0 - FIRST_WINDOWS_S < heard.duration_s <= 5.0, "all of the speech, and silence after it"


async def test_a_client_can_interrupt_and_leave_while_its_sound_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LIVE_BURST_S", 0.5)
    reply = [["One two three four five six seven eight nine."]]
    async with bot(reply, letter_s=0.1) as server, ws_client(server) as client:
        await client.send("text", text="count")
        await client.next("play_audio")
        await client.send("client_playback_started")
        for _ in range(20):
            await client.socket.send(bytes(32_000))
        await asyncio.sleep(0.3)
        await client.send("interrupt")
        await client.next("stop_playback", timeout_s=1.0)
        await client.send("bye")
        await client.next("closed", timeout_s=1.0, code="bye")


@pytest.mark.parametrize(
    "frames",
    [TINY_SOUND * 5_000, b"\x82\xfe" + struct.pack(">H", 32_000) + MASK + bytes(32_000)],
    ids=["many small", "large"],
)
async def test_a_session_that_sends_sound_too_far_ahead_of_real_time_is_ended(
    frames: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "WS_AHEAD_S", 1.0)
    monkeypatch.setattr(limits, "WS_WAITING_BYTES", 100_000)
    async with bot(messages_per_s=10) as server, raw_client(server) as client:
        reading = asyncio.create_task(client.reader.readuntil(b'"code":"flood"'))
        pouring = asyncio.create_task(client.pour(frames, 9.0))
        async with asyncio.timeout(9):
            await reading
        pouring.cancel()
        await asyncio.gather(pouring, return_exceptions=True)  # the server may have hung up
        await until_empty(server)


async def test_a_client_that_has_gone_is_noticed_while_its_sound_waits() -> None:
    async with bot() as server:
        async with raw_client(server) as client:
            sent = await client.pour(b"\x82\xfe" + struct.pack(">H", 32_000) + MASK + bytes(32_000), 1.0)
            heard_s = limits.LIVE_BURST_S + limits.LIVE_PACE * 1.0
            assert sent > 32_000 * heard_s + limits.WS_WAITING_BYTES / 2
        await until_empty(server)


async def test_a_flood_of_sound_does_not_delay_the_event_loop() -> None:
    async with bot() as server, raw_client(server) as client:
        pouring = asyncio.create_task(client.pour(b"\x82\xfe" + struct.pack(">H", 640) + MASK + bytes(640), FLOOD_S))
        pauses_s = await longest_pauses_s(FLOOD_S - 0.25)
        assert await pouring > 1_000_000
        assert server.sessions("ws")
        assert pauses_s[len(pauses_s) // 20] < 0.05


# Frames ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "frame", [PING, EMPTY_PART, TINY_SOUND, b"\x8a\x80" + MASK], ids=["pings", "empty parts", "sound", "pongs"]
)
async def test_a_flood_of_websocket_frames_does_not_delay_the_event_loop(frame: bytes) -> None:
    async with bot() as server, raw_client(server) as client:
        reading = asyncio.create_task(client.reader.read())
        if frame == EMPTY_PART:
            client.writer.write(b"\x01\x81" + MASK + b"x")
        pouring = asyncio.create_task(client.pour(frame * 40_000, FLOOD_S))
        pauses_s = await longest_pauses_s(FLOOD_S - 0.25)
        assert await pouring > len(frame) * 40_000
        assert server.sessions("ws")
        assert not reading.done()
        assert pauses_s[len(pauses_s) // 20] < 0.05
        reading.cancel()


def server_side() -> WebSocketServerProtocol:
    """Returns the server's side of the only connection."""
    found = [each for each in gc.get_objects() if isinstance(each, WebSocketServerProtocol) and not each.disconnected]
    (only,) = found
    return only


async def test_empty_fragments_of_a_message_take_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "WS_BURST_UNITS", 100_000)
    async with bot([["Yes."]]) as server, raw_client(server) as client:
        text = b'{"type":"text","text":"hello"}'
        client.writer.write(b"\x01" + bytes([0x80 | len(text)]) + MASK + text + EMPTY_PART * 50_000 + PING)
        async with asyncio.timeout(20):
            await client.reader.readuntil(b"\x8a\x00")
        assert len(server_side().frames) <= 1
        client.writer.write(b"\x80\x80" + MASK)
        async with asyncio.timeout(20):
            await client.reader.readuntil(b"play_audio")


async def test_a_client_that_pings_without_reading_the_pongs_takes_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server keeps only the last pong for a client that reads none."""
    monkeypatch.setattr(limits, "WS_BURST_UNITS", 100_000_000)
    async with bot() as server, raw_client(server) as client:
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        sent = await client.pour((b"\x89\xfd" + MASK + bytes(125)) * 1_000, 2.5)
        assert sent > 8_000_000, "more than the system keeps for the connection"
        assert server_side().transport.get_write_buffer_size() < 500_000


async def test_the_keep_alive_does_not_end_a_connection_whose_pong_waits_behind_sound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "LIVE_BURST_S", 0.5)
    monkeypatch.setattr(limits, "WS_WAITING_BYTES", 10_000)
    keep_alive: dict[str, Any] = {"ws_ping_interval": 0.3, "ws_ping_timeout": 1.0}
    monkeypatch.setattr(web, "UVICORN", web.UVICORN | keep_alive)
    async with bot() as server, ws_client(server) as client:
        for _ in range(8):
            await client.socket.send(bytes(16_000))
        await asyncio.sleep(2.6)  # twice as long as it takes to find a connection dead
        await client.send("bye")
        await client.next("closed", code="bye")


async def test_a_message_over_the_size_limit_ends_its_connection_with_code_1009() -> None:
    async with bot(ws_max_audio_mb=1) as server, ws_client(server) as client:
        await client.next("connected")
        await client.socket.send("x" * 2_000_000)
        with pytest.raises(ConnectionClosed) as closed:
            await client.next("closed")
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009
        await until_empty(server)


async def test_a_large_message_does_not_delay_the_event_loop() -> None:
    """7 MB of two-byte characters: their decoding would take 20 ms and more on the event loop."""
    body = "é".encode() * 3_500_000
    message = b"\x81\xff" + struct.pack(">Q", len(body)) + MASK + body
    async with bot() as server, raw_client(server) as client:
        reading = asyncio.create_task(client.reader.readuntil(b"Invalid JSON"))
        pouring = asyncio.create_task(client.pour(message, 1.0))
        pauses_s = await longest_pauses_s(2.5)
        await pouring
        async with asyncio.timeout(10):
            await reading
        assert pauses_s[len(pauses_s) // 20] < 0.05


async def test_connections_that_come_and_go_leave_no_session_behind() -> None:
    async with bot(offers_per_minute=1_000) as server:
        for _ in range(20):
            async with raw_client(server):
                pass
        await until_empty(server)
        await until(lambda: not server.sessions("ws"))
