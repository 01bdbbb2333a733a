"""Two clients have offers for the last free session slot, and the one who connects first gets it."""

from __future__ import annotations

import asyncio

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection
from aiortc.mediastreams import AudioStreamTrack

from tests.support.engines import ScriptedAgent, ScriptedStt, ToneTts, scripted
from voicebot.access.admission import RefusedError
from voicebot.bootstrap import application as bootstrap
from voicebot.engines.errors import EngineError
from voicebot.engines.fallback import TextToSpeechFallbackGroup
from voicebot.engines.fallback_group import FallbackRules
from voicebot.engines.protocols import DEFAULT_STYLE, Engines, Style
from voicebot.runtime import limits
from voicebot.settings import config
from voicebot.transports.webrtc.server import Offer


class Voice(ToneTts):
    """A voice that fails its first probe, and takes its time for the next."""

    well = False

    async def probe(self, style: Style = DEFAULT_STYLE) -> None:
        if not self.well:
            raise EngineError(self.name, "there is no voice")
        await asyncio.sleep(0.05)


async def test_the_client_that_connects_first_of_two_gets_the_last_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both make their offers while the engines are being probed, and a slot is free."""
    monkeypatch.setattr(limits, "PROBE_ILL_S", 0.0)
    voice = Voice()
    fixed = scripted(ScriptedStt(), ScriptedAgent(), ToneTts())
    voices = TextToSpeechFallbackGroup([voice], FallbackRules(rest_s=60))
    engines = Engines(fixed.stt, fixed.agent, voices, fixed.vad_name, fixed.make_vad)
    await engines.start()
    application = bootstrap.application(config.load(max_sessions=1), engines)
    services, webrtc = application.services, application.webrtc
    await services.health.check()
    voice.well = True
    sdp = await offered_sdp()
    offers = [Offer(sdp=sdp, type="offer", webrtc_id=name) for name in "ab"]
    answers = await asyncio.gather(*(webrtc.answer(offer, "192.0.2.1") for offer in offers))
    assert [answer["type"] for answer in answers] == ["answer", "answer"]
    assert (services.admission.sessions, services.admission.pending) == (0, 2)
    first, second = (peer.slot for peer in webrtc.peers)
    second.occupy()
    with pytest.raises(RefusedError, match="All 1 places are taken"):
        first.occupy()
    await application.close()
    assert (services.admission.sessions, services.admission.pending) == (0, 0)


async def offered_sdp() -> str:
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    peer.createDataChannel("text")
    peer.addTrack(AudioStreamTrack())
    await peer.setLocalDescription(await peer.createOffer())
    sdp = str(peer.localDescription.sdp)
    await peer.close()
    return sdp
