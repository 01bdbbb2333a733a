"""Hostile, broken and unlucky WebRTC clients: they harm no other session, and no honest client is refused."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import struct
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from copy import copy
from typing import Any

import psutil
import pytest
from aioice.ice import CandidatePair, StunProtocol
from aiortc import RTCDataChannel, RTCPeerConnection, RTCRtpReceiver
from aiortc.rtcsctptransport import (
    SCTP_DATA_FIRST_FRAG,
    SCTP_DATA_LAST_FRAG,
    HeartbeatChunk,
    SackChunk,
    tsn_minus_one,
)

from tests.support.engines import ScriptedAgent, ScriptedStt, ToneTts, loud, scripted
from tests.support.live_server import LiveServer, serving
from tests.support.rtc_bot import answered, quick
from tests.support.rtc_client import Json, OfferRefusedError, RtcClient
from tests.support.rtc_misuse import Misuser
from tests.support.waiting import until
from voicebot.audio.sound import Audio
from voicebot.runtime import limits
from voicebot.settings import config
from voicebot.storage.record import ConversationRecord
from voicebot.transports.webrtc.connection import WebRtcConnection

FRAME = 960


def is_closed(message: Json) -> bool:
    return bool(message["type"] == "closed")


def is_connected(message: Json) -> bool:
    return bool(message["type"] == "connected")


def connection_of(server: LiveServer) -> WebRtcConnection:
    (peer,) = server.webrtc.peers
    return peer.connection


async def converses(client: RtcClient) -> None:
    """Asks something and waits until the answer is heard, which shows that the session works."""
    before = len(client.messages)
    client.send({"type": "text", "text": "are you there?"})

    def is_answered(message: Json) -> bool:
        is_idle = message["type"] == "state" and message["phase"] == "idle"
        return bool(is_idle and message["chat"] and was_heard(message))

    await client.wait_for_message(is_answered, 15, after=before)


def was_heard(state: Json) -> bool:
    return bool(state["chat"][-1].get("heard"))


@asynccontextmanager
async def visited(munge: Callable[[str], str] = str, **settings: Any) -> AsyncIterator[tuple[LiveServer, Misuser]]:
    agent = ScriptedAgent(scripts=[["Fine."]] * 5)
    async with quick(agent, **settings) as server, Misuser(server.url, munge) as client:
        yield server, client


# Sessions whose client can't be reached ---------------------------------------------------------------------------


def with_max_message_size(size: int) -> Callable[[str], str]:
    def munge(sdp: str) -> str:
        lines = [line for line in sdp.splitlines() if not line.startswith("a=max-message-size")]
        return "".join(f"{line}\r\n" for line in [*lines, f"a=max-message-size:{size}"])

    return munge


async def test_an_offer_with_a_tiny_max_message_size_is_refused_with_the_reason() -> None:
    async with quick() as server:
        with pytest.raises(OfferRefusedError, match=r"400 .*max-message-size must be at least"):
            async with Misuser(server.url, with_max_message_size(10)):
                pass
        assert server.services.admission.sessions == 0


def fails(*_: object, **__: object) -> None:
    raise ValueError("a fault")


async def test_a_session_whose_data_channel_raises_still_ends_at_its_time_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with visited(session_minutes=0.03) as (server, client):
        await client.wait_for_message(is_connected)
        monkeypatch.setattr(connection_of(server).channel, "send", fails)
        await until(lambda: server.services.admission.sessions == 0)


async def test_a_session_whose_data_channel_raises_still_ends_when_no_sound_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with visited(media_timeout_s=1) as (server, client):
        await client.wait_for_message(is_connected)
        monkeypatch.setattr(connection_of(server).channel, "send", fails)
        client.link.drop_next(10_000)
        await until(lambda: server.services.admission.sessions == 0)


async def test_a_session_ends_after_its_client_closes_the_data_channel(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client goes on sending sound."""
    monkeypatch.setattr(limits, "UNTOLD_S", 0.5)
    async with visited() as (server, client):
        await client.wait_for_message(is_connected)
        client.channel.close()
        await until(lambda: server.services.admission.sessions == 0)


async def test_a_session_whose_client_reads_no_messages_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "UNTOLD_S", 0.5)
    monkeypatch.setattr("voicebot.transports.webrtc.connection.MAX_BUFFERED_BYTES", 50)
    async with visited() as (server, client):
        await client.wait_for_message(is_connected)

        async def receive_nothing(data: bytes) -> None:
            """Ignores the data, so that no acknowledgement is sent."""

        vars(client.sctp)["_handle_data"] = receive_nothing
        client.send({"type": "text", "text": "tell me something"})
        await until(lambda: server.services.admission.sessions == 0, 20)


async def test_a_long_conversation_is_shortened_to_the_max_message_size_of_the_client() -> None:
    agent = ScriptedAgent(scripts=[["Fine."]] * 20)
    async with quick(agent, messages_per_s=100) as server, Misuser(server.url, with_max_message_size(16_384)) as client:
        await client.wait_for_message(is_connected)
        for number in range(6):
            client.send({"type": "text", "text": "\x01" * 1_900 + f" number {number}"})
        state = await client.wait_for_message(
            lambda message: message["type"] == "state" and "number 5" in json.dumps(message["chat"])
        )
        assert len(json.dumps(state, ensure_ascii=False)) <= 16_384
        client.send({"type": "clear"})
        await converses(client)


async def test_a_lone_surrogate_in_a_reply_does_not_break_the_session() -> None:
    agent = ScriptedAgent(scripts=[["Half a \ud83d character."], ["Fine."]])
    async with quick(agent) as server, RtcClient(server.url) as client:
        client.send({"type": "text", "text": "hello"})
        state = await client.wait_for_message(answered(1))
        assert "\ufffd" in state["chat"][-1]["heard"]
        await converses(client)


async def test_a_session_without_a_data_channel_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client negotiates the data channel out of band, so that the server never learns of it."""
    monkeypatch.setattr(limits, "CONNECTING_S", 1.0)
    make = RTCPeerConnection.createDataChannel

    def negotiated(peer: RTCPeerConnection, label: str) -> RTCDataChannel:
        return make(peer, label, negotiated=True, id=0)

    async with quick() as server:
        monkeypatch.setattr(RTCPeerConnection, "createDataChannel", negotiated)
        async with RtcClient(server.url) as client:
            assert len(server.webrtc.peers) == 1
            await client.wait_for_state("closed")
            await until(lambda: not server.webrtc.peers)


async def test_a_session_that_fails_to_end_does_not_prevent_the_shutdown_of_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with quick(ScriptedAgent(scripts=[["Fine."]] * 5)) as server, RtcClient(server.url) as first:
        await first.wait_for_message(is_connected)
        monkeypatch.setattr(connection_of(server).session, "leave", fails)
        async with RtcClient(server.url) as second:
            connected = await second.wait_for_message(is_connected)
            second.send({"type": "text", "text": "keep this"})
            await second.wait_for_message(answered(1))
            monkeypatch.setattr(server.application.webrtc.ice, "close", fails)
            stored: list[ConversationRecord | None] = []
            close = server.services.conversations.close

            async def close_store() -> None:
                if not stored:
                    stored.append(await server.services.conversations.read(connected["conversation"]))
                    await close()

            monkeypatch.setattr(server.services.conversations, "close", close_store)
            await server.application.close()
            assert (await second.wait_for_message(is_closed))["code"] == "shutdown"
            (record,) = stored
            assert record is not None
            assert record.history[0].text == "keep this"
            assert server.webrtc.peers == set()


# Sound ------------------------------------------------------------------------------------------------------------


async def decoded_s(client: Misuser, server: LiveServer, packets: Callable[[int], int], count: int) -> float:
    """Sends `count` packets with these RTP times. Returns how many seconds of sound the server decoded."""
    await client.wait_for_message(is_connected)
    client.silence_microphone()
    heard: list[float] = []
    session = connection_of(server).session
    receive = session.receive_audio

    def counted(audio: Audio) -> None:
        heard.append(audio.duration_s)
        receive(audio)

    session.receive_audio = counted  # type: ignore[method-assign]
    for number in range(count):
        await client.send_packet(time=packets(number))
        if number % 20 == 0:
            await asyncio.sleep(0.005)
    await asyncio.sleep(0.3)
    return sum(heard)


async def test_jumps_of_the_rtp_timestamp_are_not_filled_with_sound() -> None:
    async with visited() as (server, client):
        decoded_sound_s = await decoded_s(client, server, lambda number: 10_000_000 + number * 48_000, 12)
        assert 0.2 <= decoded_sound_s <= 12 * 0.22 + 0.5


async def test_the_server_decodes_no_more_sound_than_a_client_can_have_spoken() -> None:
    async with visited() as (server, client):
        began_s = time.monotonic()
        decoded_sound_s = await decoded_s(client, server, lambda number: 10_000_000 + number * FRAME, 900)
        took_s = time.monotonic() - began_s
        assert decoded_sound_s <= limits.SOUND_BURST_S + limits.SOUND_SPEED * took_s + 1
        await converses(client)


async def test_four_seconds_of_sound_that_arrive_at_once_are_decoded_whole() -> None:
    async with visited() as (server, client):
        assert await decoded_s(client, server, lambda number: 10_000_000 + number * FRAME, 200) >= 200 * 0.02


async def test_sound_sources_are_limited_and_a_connection_with_many_can_be_closed() -> None:
    async with visited() as (server, client):
        await client.wait_for_message(is_connected)
        for number in range(200):
            await client.send_packet(time=number * FRAME, ssrc=1_000 + number)
            await asyncio.sleep(0.001)
        (peer,) = (each.rtc for each in server.webrtc.peers)
        receivers: list[RTCRtpReceiver] = peer.getReceivers()
        assert len(receivers[0]._RTCRtpReceiver__remote_streams) <= limits.SOUND_SOURCES  # type: ignore[attr-defined]
        reports: list[object] = []
        send = receivers[0]._send_rtcp

        async def report(packet: Any) -> None:
            await send(packet)
            reports.append(packet)

        vars(receivers[0])["_send_rtcp"] = report
        await until(lambda: reports)  # a report can't be written with 32 sources or more
        client.send({"type": "bye"})
        await until(lambda: server.services.admission.sessions == 0)


def with_codec(codec: str) -> Callable[[str], str]:
    def munge(sdp: str) -> str:
        audio, found, rest = sdp.partition("m=application")
        lines = [line for line in audio.splitlines() if "rtpmap" not in line or codec in line]
        return "".join(f"{line}\r\n" for line in lines if not line.startswith("a=fmtp")) + found + rest

    return munge


@pytest.mark.parametrize("codec", ["PCMU/8000", "PCMA/8000", "G722/8000"])
async def test_a_client_with_another_codec_is_heard(codec: str) -> None:
    engines = scripted(ScriptedStt(scripts=[["hello"]]), ScriptedAgent(scripts=[["Fine."]]), ToneTts())
    async with serving(engines, config.load()) as server, Misuser(server.url, with_codec(codec)) as client:
        await client.wait_for_message(is_connected)
        client.microphone.say(loud(1.0))
        await client.wait_for_message(answered(1), 20)


async def test_a_nack_for_thousands_of_packets_triggers_no_retransmission() -> None:
    async with visited() as (server, client):
        await client.wait_for_message(is_connected)
        await converses(client)
        (peer,) = (each.rtc for each in server.webrtc.peers)
        sender = peer.getSenders()[0]
        sent: list[int] = []

        async def retransmit(number: int) -> None:
            sent.append(number)

        vars(sender)["_retransmit"] = retransmit
        body = struct.pack("!II", client.audio.sender._ssrc, sender._ssrc) + struct.pack("!HH", 0, 0xFFFF) * 100
        await client.send_rtcp(struct.pack("!BBH", 0x81, 205, len(body) // 4) + body)
        await converses(client)
        assert sent == []


async def test_a_client_that_sends_from_one_of_its_addresses_and_receives_at_the_other_is_heard() -> None:
    """The sides choose different pairs of addresses, as may happen when two pairs are confirmed at the same time."""
    async with quick() as server, AsyncExitStack() as stack:
        client = Misuser(server.url)
        client.link.loss = 1.0
        await stack.enter_async_context(client)
        await client.wait_for_message(is_connected)
        connection = client.audio.sender.transport.transport._connection
        (chosen,) = connection._nominated.values()
        _, protocol = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: StunProtocol(connection), local_addr=(chosen.local_addr[0], 0)
        )
        connection._protocols.append(protocol)
        protocol.local_candidate = copy(chosen.local_candidate)
        protocol.local_candidate.port = protocol.transport.get_extra_info("sockname")[1]
        other = CandidatePair(protocol, chosen.remote_candidate)
        await connection.check_start(other)
        (peer,) = (each.rtc for each in server.webrtc.peers)
        theirs = peer.sctp.transport.transport._connection
        await until(lambda: [pair.remote_addr for pair in theirs._nominated.values()] == [other.local_addr])
        connection._nominated[1] = chosen
        client.link.loss = 0.0
        client.microphone.say(loud(0.8))
        await client.wait_for_message(lambda message: message["type"] == "state" and message["phase"] == "listening")


async def test_an_empty_datagram_ends_no_session() -> None:
    """Anybody who finds the port can send such a datagram."""
    async with visited() as (_, client):
        await client.wait_for_message(is_connected)
        (pair,) = client.audio.sender.transport.transport._connection._nominated.values()
        with socket.socket(
            socket.AF_INET6 if ":" in pair.remote_addr[0] else socket.AF_INET, socket.SOCK_DGRAM
        ) as visitor:
            visitor.sendto(b"", pair.remote_addr)
        await converses(client)


# Offers that no connection follows --------------------------------------------------------------------------------


async def test_offers_that_never_connect_exclude_no_client_and_leave_nothing_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "CONNECTING_S", 2.0)
    async with quick(ScriptedAgent(scripts=[["Fine."]] * 5)) as server:
        async with RtcClient(server.url) as client:  # loads what the first session loads late
            await client.wait_for_message(is_connected)
        await until(lambda: not server.webrtc.peers)
        files = psutil.Process().num_fds()
        hanging, tasks = [Misuser(server.url) for _ in range(12)], []
        for each in hanging:
            each.may_connect.clear()
            tasks.append(asyncio.create_task(each.connect()))
            await asyncio.wait_for(each.offered.wait(), 10)
        async with RtcClient(server.url) as client:
            await converses(client)
            assert server.services.admission.sessions == 1
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for each in hanging:
            await each.close()
        await until(lambda: not server.webrtc.peers and server.services.admission.pending == 0)
        await until(lambda: psutil.Process().num_fds() <= files + 2)


async def test_a_client_that_connects_when_all_places_are_taken_is_closed_with_the_reason() -> None:
    async with quick(ScriptedAgent(scripts=[["Fine."]] * 5), max_sessions=1) as server:
        late = Misuser(server.url)
        late.may_connect.clear()
        connecting = asyncio.create_task(late.connect())
        await late.offered.wait()
        async with RtcClient(server.url) as client:
            late.may_connect.set()
            closed = await late.wait_for_message(is_closed)
            assert closed["code"] == "full"
            assert "All 1 places are taken" in closed["reason"]
            assert not any(is_connected(message) for message in late.messages)
            await converses(client)
            await until(lambda: len(server.webrtc.peers) == 1)
        await asyncio.gather(connecting, return_exceptions=True)
        await late.close()


async def test_a_client_whose_conversation_goes_on_elsewhere_while_it_connects_is_let_go_at_once() -> None:
    async with quick(ScriptedAgent(scripts=[["Fine."]] * 5)) as server:
        async with RtcClient(server.url) as first:
            name = (await first.wait_for_message(is_connected))["conversation"]
            await converses(first)
        late = Misuser(server.url, conversation=name)
        late.may_connect.clear()
        connecting = asyncio.create_task(late.connect())
        await late.offered.wait()
        async with RtcClient(server.url, conversation=name) as newer:
            await converses(newer)
            await until(lambda: len(server.webrtc.peers) == 1, limits.CONNECTING_S / 2)
            assert server.services.admission.pending == 0
        connecting.cancel()
        await asyncio.gather(connecting, return_exceptions=True)
        await late.close()


async def test_a_webrtc_id_can_be_used_again_after_a_refused_offer(monkeypatch: pytest.MonkeyPatch) -> None:
    """An offer that never connects is given up after CONNECTING_S. This must not end a later connection of its name."""
    monkeypatch.setattr(limits, "CONNECTING_S", 1.5)
    async with quick(ScriptedAgent(scripts=[["Fine."]] * 5)) as server:
        first = Misuser(server.url, lambda sdp: sdp.replace("a=sendrecv", "a=recvonly"))
        with pytest.raises(OfferRefusedError, match="400"):
            await first.connect()
        await first.close()
        second = RtcClient(server.url)
        second.webrtc_id = first.webrtc_id
        async with second:
            third = RtcClient(server.url)
            third.webrtc_id = first.webrtc_id
            with pytest.raises(OfferRefusedError, match="409"):
                await third.connect()
            await third.close()
            await asyncio.sleep(limits.CONNECTING_S + 0.1)  # no event tells that nothing was given up
            assert second.state == "connected"
            await converses(second)


# The data channel -------------------------------------------------------------------------------------------------


async def wait_for_flood_end(server: LiveServer, client: Misuser) -> None:
    assert (await client.wait_for_message(is_closed))["code"] == "flood"
    await until(lambda: server.services.admission.sessions == 0)


async def keep_sending(client: Misuser, send: Callable[[], Any], times: int) -> None:
    """Calls `send` this many times, or until the server has ended the session."""
    for number in range(times):
        if any(is_closed(message) for message in client.messages) or client.state != "connected":
            return
        await send()
        if number % 10 == 0:
            await asyncio.sleep(0.002)


@pytest.mark.parametrize("size", [1_100, 1])
async def test_a_data_channel_message_without_an_end_ends_the_session(size: int) -> None:
    async with visited() as (server, client):
        await client.wait_for_message(is_connected)
        flags = iter([SCTP_DATA_FIRST_FRAG])
        await keep_sending(client, lambda: client.send_fragment(b"x" * size, flags=next(flags, 0)), 2_000)
        await wait_for_flood_end(server, client)


async def test_too_many_sctp_streams_end_the_session() -> None:
    async with visited() as (server, client):
        await client.wait_for_message(is_connected)
        streams = iter(range(100, 1_000))
        await keep_sending(
            client, lambda: client.send_fragment(b"x", flags=SCTP_DATA_FIRST_FRAG, stream=next(streams)), 500
        )
        await wait_for_flood_end(server, client)


async def test_a_flood_of_sctp_chunks_ends_the_session() -> None:
    async with visited() as (server, client):
        await client.wait_for_message(is_connected)
        await keep_sending(client, lambda: client.send_chunk(HeartbeatChunk()), 10_000)
        await wait_for_flood_end(server, client)


async def test_an_unparsable_sctp_chunk_ends_only_its_own_session() -> None:
    async with quick(ScriptedAgent(scripts=[["Fine."]] * 5)) as server, RtcClient(server.url) as honest:
        async with Misuser(server.url) as client:
            await client.wait_for_message(is_connected)
            chunk = SackChunk()
            chunk.cumulative_tsn = tsn_minus_one(client.sctp._local_tsn)
            broken = bytes(chunk)[:-4] + struct.pack("!HH", 60_000, 60_000)
            await send_raw(client, broken)
            assert (await client.wait_for_message(is_closed))["code"] == "flood"
        await converses(honest)


async def send_raw(client: Misuser, chunk: bytes) -> None:
    """Sends these bytes as a chunk of an SCTP packet."""

    class Raw(HeartbeatChunk):
        def __bytes__(self) -> bytes:
            return chunk

    await client.send_chunk(Raw())


async def test_huge_sctp_acknowledgements_and_parameters_without_length_block_no_session() -> None:
    async with (
        quick(ScriptedAgent(scripts=[["Fine."]] * 5)) as server,
        RtcClient(server.url) as honest,
        Misuser(server.url) as client,
    ):
        await client.wait_for_message(is_connected)
        sack = SackChunk()
        sack.cumulative_tsn = client.sctp._last_received_tsn or 0
        sack.gaps = [(1, 65_535)] * 250
        await client.send_chunk(sack)
        await send_raw(client, struct.pack("!BBH", HeartbeatChunk.type, 0, 12) + b"\x00" * 8)
        began_s = time.monotonic()
        await converses(honest)
        assert time.monotonic() - began_s < 5
        await converses(client)


async def test_an_overlong_data_channel_message_is_refused_and_the_session_goes_on() -> None:
    async with visited() as (_, client):
        client.channel.send("x" * 65_000)
        error = await client.wait_for_message(lambda message: message["type"] == "error")
        assert "allowed" in error["message"]
        await converses(client)


async def test_the_server_echoes_no_messages_and_ignores_further_data_channels() -> None:
    async with visited() as (server, client):
        await client.wait_for_message(is_connected)
        other = client.peer.createDataChannel("other")
        await until(lambda: other.readyState == "open")
        said: list[str] = []
        other.on("message", said.append)
        other.send(json.dumps({"type": "bye"}))
        await converses(client)
        assert said == []
        assert {message["type"] for message in client.messages} <= {"connected", "state", "telemetry"}
        assert sum(is_connected(message) for message in client.messages) == 1
        assert server.services.admission.sessions == 1


async def test_unfragmented_messages_on_several_streams_leave_the_session_intact() -> None:
    async with visited() as (_, client):
        await client.wait_for_message(is_connected)
        for stream in (100, 102, 104):
            await client.send_fragment(b"{}", flags=SCTP_DATA_FIRST_FRAG | SCTP_DATA_LAST_FRAG, stream=stream)
        await converses(client)


# Refused offers, faults of the recorder and the meters, the clock --------------------------------------------------


async def test_a_refused_offer_is_logged_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with quick() as server:
        for sdp in ("v=0\r\nm=audio 9 x\r\nm=application 9 y", "nonsense"):
            caplog.clear()
            refused = await server.post("/webrtc/offer", {"sdp": sdp, "type": "offer", "webrtc_id": "x"})
            assert refused.status_code == 400
            records = [record for record in caplog.records if record.name.startswith("voicebot")]
            assert [record.levelno for record in records] == [logging.INFO]
            assert records[0].exc_info is None
            assert "\n" not in records[0].getMessage()


async def test_an_offer_that_is_too_long_is_refused_before_it_is_parsed() -> None:
    async with quick() as server:
        refused = await server.post("/webrtc/offer", {"sdp": "x" * 20_000, "type": "offer", "webrtc_id": "x"})
        assert refused.status_code == 413
        assert "20000 are allowed" in refused.json()["error"]


async def test_faults_of_the_recorder_store_and_meter_leave_the_conversation_intact(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("begin", "end", "heard", "played", "stepped"):
        monkeypatch.setattr(f"voicebot.recording.recorder.Recorder.{name}", fails)
    for name in ("began", "stepped", "underran", "ended"):
        monkeypatch.setattr(f"voicebot.observability.telemetry.SessionMeter.{name}", fails)
    monkeypatch.setattr("voicebot.storage.conversation.StoredConversation.keep", fails)
    engines = scripted(ScriptedStt(scripts=[["hello"]]), ScriptedAgent(scripts=[["Fine."], ["Well."]]), ToneTts())
    async with serving(engines, config.load()) as server:
        async with RtcClient(server.url) as client:
            await client.wait_for_message(is_connected)
            client.microphone.say(loud(1.0))
            await client.heard.wait_for_sound()
            await client.wait_for_message(answered(1))
            await converses(client)
        await until(lambda: server.services.admission.sessions == 0)
    places = [
        record.getMessage().split(" failed")[0] for record in caplog.records if record.name == "voicebot.runtime.faults"
    ]
    assert len(places) == len(set(places)), "each place is logged once"
    assert {"recording", "recording the bot", "recorder", "meter", "conversation"} <= set(places)


async def test_a_system_clock_set_back_or_ahead_does_not_mute_the_session(monkeypatch: pytest.MonkeyPatch) -> None:
    async with visited() as (server, client):
        await converses(client)
        now = time.time
        for step_s in (-3_600, 86_400):
            with monkeypatch.context() as patched:
                patched.setattr(time, "time", lambda step_s=step_s: now() + step_s)
                spoken_s = time.monotonic()
                await converses(client)
                await client.heard.wait_for_sound(5, after_s=spoken_s)
        assert server.services.admission.sessions == 1
