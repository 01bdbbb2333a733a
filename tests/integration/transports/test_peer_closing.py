"""WebRTC connections are closed, whatever aiortc does."""

from __future__ import annotations

import asyncio

import psutil
import pytest
from aiortc import AudioStreamTrack, RTCConfiguration, RTCPeerConnection, RTCRtpReceiver

from voicebot.transports.peer_closing import close_peer


def udp_sockets() -> int:
    return len(psutil.Process().net_connections("udp"))


async def offering() -> RTCPeerConnection:
    """A connection whose sockets are open."""
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    peer.createDataChannel("text")
    peer.addTrack(AudioStreamTrack())
    await peer.setLocalDescription(await peer.createOffer())
    return peer


async def test_closing_a_connection_closes_its_sockets_and_may_be_repeated() -> None:
    before = udp_sockets()
    peer = await offering()
    assert udp_sockets() > before
    await close_peer(peer, 5.0)
    await close_peer(peer, 5.0)
    assert udp_sockets() == before


async def test_the_sockets_are_closed_even_if_aiortc_never_finishes_closing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(_: RTCRtpReceiver) -> None:
        await asyncio.Event().wait()

    before = udp_sockets()
    peer = await offering()
    assert udp_sockets() > before
    monkeypatch.setattr(RTCRtpReceiver, "stop", hang)
    with pytest.raises(TimeoutError):
        await close_peer(peer, 0.1)
    assert udp_sockets() == before
