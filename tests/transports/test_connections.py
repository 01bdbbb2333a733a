"""Which offers are taken."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.support.engines import ScriptedAgent, ScriptedStt, ToneTts, scripted
from voicebot import config
from voicebot.doors.admission import RefusedError
from voicebot.engines import preflight
from voicebot.engines.base import EngineError, Engines
from voicebot.engines.chain import FallbackRules
from voicebot.engines.fallback import TextToSpeechChain
from voicebot.transports.connections import Connections, Offer


class Voice(ToneTts):
    """Not well at first; the next probe takes its time."""

    well = False

    async def probe(self) -> None:
        if not self.well:
            raise EngineError(self.name, "there is no voice")
        await asyncio.sleep(0.05)


async def test_offers_that_wait_for_a_preflight_do_not_get_one_place_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "FRESH_S", 0.0)
    voice = Voice()
    fixed = scripted(ScriptedStt(), ScriptedAgent(), ToneTts())
    voices = TextToSpeechChain([voice], FallbackRules(rest_s=60))
    engines = Engines(fixed.stt, fixed.agent, voices, fixed.vad_name, fixed.make_vad)
    await engines.start()
    connections = Connections(engines, config.load(max_sessions=1), lambda _: {})

    async def handle_offer(body: dict[str, Any], _: Any) -> str:
        connections.pcs[body["webrtc_id"]] = connections.connections[body["webrtc_id"]] = []
        return "answer"

    monkeypatch.setattr(connections, "handle_offer", handle_offer)
    await connections.preflight.check()
    voice.well = True
    offers = [Offer(sdp="m=audio m=application", type="offer", webrtc_id=name) for name in "ab"]
    taken, refused = await asyncio.gather(
        *(connections.answer(offer, "192.0.2.1") for offer in offers), return_exceptions=True
    )
    assert taken == "answer"
    assert isinstance(refused, RefusedError)
    assert refused.status == 503
