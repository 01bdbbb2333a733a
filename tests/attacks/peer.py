"""A WebRTC client with an address and a login of its own."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from typing import Any

import httpx
from aiortc import RTCConfiguration, RTCPeerConnection
from aiortc.mediastreams import AudioStreamTrack
from av import AudioFrame

from tests.support.rtc_client import Json, OfferRefusedError, RtcClient
from tests.support.rtc_recorder import Recorder

Login = tuple[str, str]
"""The user name and the password."""

KEPT_FRAMES = 500
KEPT_MESSAGES = 200


def authorization(login: Login | None) -> dict[str, str]:
    """Returns the header of HTTP Basic authentication, or none without a login."""
    if login is None:
        return {}
    return {"Authorization": "Basic " + base64.b64encode(":".join(login).encode()).decode()}


class RecentSound(Recorder):
    """Keeps the last ten seconds of received audio, because a session here may last many minutes."""

    def came(self, frame: AudioFrame) -> None:
        super().came(frame)
        del self.frames[:-KEPT_FRAMES]


class Peer(RtcClient):
    """A WebRTC client of the bot. `munge` may rewrite the offer's SDP. `state_now` is the last state received."""

    def __init__(
        self,
        url: str,
        *,
        address: str,
        login: Login | None = None,
        munge: Callable[[str], str] | None = None,
        webrtc_id: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(url, heard=RecentSound(), **options)
        self.webrtc_id = webrtc_id or self.webrtc_id
        self.state_now: Json = {}
        self._address, self._login, self._munge = address, login, munge or str

    async def wait_for_phase(self, phase: str, timeout_s: float) -> None:
        """Waits until the bot is in this phase. Raises TimeoutError, with the current phase."""
        try:
            await self._changed.until(lambda: self.state_now.get("phase") == phase or None, timeout_s, "such phase")
        except TimeoutError:
            raise TimeoutError(f"still {self.state_now.get('phase')}, not {phase}, after {timeout_s:g} s") from None

    async def _offer(self) -> Json:
        local = self.peer.localDescription
        body = {"sdp": self._munge(local.sdp), "type": local.type, "webrtc_id": self.webrtc_id}
        transport = httpx.AsyncHTTPTransport(local_address=self._address)
        headers = authorization(self._login)
        async with httpx.AsyncClient(transport=transport, timeout=self._timeout_s, headers=headers) as http:
            response = await http.post(f"{self._base_url}/webrtc/offer", json=body)
        if response.is_error:
            raise OfferRefusedError(response.status_code, response.text)
        answer: Json = response.json()
        if answer.get("status") == "failed":
            raise OfferRefusedError(response.status_code, str(answer.get("meta", {}).get("error", answer)))
        return answer

    def _receive(self, text: str | bytes) -> None:
        message = json.loads(text)
        if message["type"] == "state":
            self.state_now = message
        super()._receive(text)
        del self.messages[:-KEPT_MESSAGES]


async def offered_sdp() -> str:
    """Returns the SDP of an honest client, for offers without a connection."""
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    try:
        peer.createDataChannel("text")
        peer.addTrack(AudioStreamTrack())
        async with asyncio.timeout(10):
            await peer.setLocalDescription(await peer.createOffer())
        return str(peer.localDescription.sdp)
    finally:
        await peer.close()
