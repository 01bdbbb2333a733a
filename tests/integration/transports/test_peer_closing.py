"""WebRTC connections are closed even if aiortc hangs or fails."""

from __future__ import annotations

import asyncio
from typing import Any

import psutil
import pytest
from aiortc import AudioStreamTrack, RTCConfiguration, RTCPeerConnection, RTCRtpReceiver

from tests.attacks.peer import offered_sdp
from tests.support.engines import ScriptedAgent, ScriptedStt, ToneTts, scripted
from tests.support.waiting import until
from voicebot.bootstrap import application as bootstrap
from voicebot.settings import config
from voicebot.transports.webrtc.aiortc_tuning.peer_closing import close_peer
from voicebot.transports.webrtc.server import Offer


def udp_sockets() -> int:
    return len(psutil.Process().net_connections("udp"))


async def offering() -> RTCPeerConnection:
    """Returns a connection whose sockets are open."""
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


@pytest.mark.parametrize("how", ["the request is cancelled", "the server closes"])
async def test_a_connection_given_up_while_its_sockets_are_opened_leaves_none_open(
    how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    usual, opened, go_on = loop.create_datagram_endpoint, asyncio.Event(), asyncio.Event()

    async def slow(*args: Any, **options: Any) -> Any:
        created = await usual(*args, **options)
        opened.set()
        await go_on.wait()
        return created

    before = udp_sockets()
    sdp = await offered_sdp()
    engines = scripted(ScriptedStt(), ScriptedAgent(), ToneTts())
    await engines.start()
    application = bootstrap.application(config.load(), engines)
    services, webrtc = application.services, application.webrtc
    monkeypatch.setattr(loop, "create_datagram_endpoint", slow)
    asked = asyncio.create_task(webrtc.answer(Offer(sdp=sdp, type="offer", webrtc_id="a"), "192.0.2.1"))
    await opened.wait()
    if how == "the request is cancelled":
        asked.cancel()
    closing = asyncio.create_task(application.close())
    await until(lambda: all(peer.closing is not None for peer in webrtc.peers))
    go_on.set()
    await closing
    await asyncio.wait({asked})
    assert asked.cancelled() or asked.exception() is not None
    assert udp_sockets() == before
    assert (services.admission.sessions, services.admission.pending) == (0, 0)
    await engines.close()
