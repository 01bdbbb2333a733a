"""A client over WebRTC that comes back to its conversation as the page does: in `peer.js` and `reconnection.js`."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import httpx

from tests.support.rtc_client import OfferRefusedError, RtcClient
from tests.support.rtc_recorder import SOUND_DBFS, Recorder

DOUBT_S = 1.0
"""After this long without a frame, the client asks whether its session lives."""

CHECK_S = 0.5
PAUSE_S = 0.4
"""The pause before a second try to connect."""


class ReturningClient:
    """Is connected within `async with`, and connects again whenever its session is lost, until the block ends.

    `clients` are its connections so far, the newest last.
    """

    def __init__(self, url: str, conversation: str | None = None) -> None:
        self._url, self.conversation = url, conversation
        self.clients: list[RtcClient] = []
        self.lost_s: list[float] = []
        """When it took each session for lost, by the monotonic clock."""
        self._keeper: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._connect()
        self._keeper = asyncio.create_task(self._keep_connected())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._keeper is not None
        self._keeper.cancel()
        await asyncio.wait([self._keeper])
        await self.client.close()
        if not self._keeper.cancelled():
            self._keeper.result()

    @property
    def client(self) -> RtcClient:
        return self.clients[-1]

    @property
    def chat(self) -> list[dict[str, Any]]:
        """The messages of the conversation, by the newest state that came."""
        messages = (each for client in reversed(self.clients) for each in reversed(client.messages))
        return next((list(each["chat"]) for each in messages if each["type"] == "state"), [])

    def sound_after(self, moment_s: float) -> float | None:
        """Returns when the newest session's first audible frame came after that moment; None if there was none."""
        frames = self.client.heard.frames
        later = (each.arrived_s for each in frames if each.arrived_s > moment_s and each.audio.level_dbfs > SOUND_DBFS)
        return next(later, None)

    async def _connect(self) -> None:
        client = RtcClient(self._url, heard=Recorder(), conversation=self.conversation)
        self.clients.append(client)
        try:
            await client.connect()
            connected = await client.wait_for_message(lambda message: message["type"] == "connected")
        except BaseException:
            await client.close()
            raise
        self.conversation = connected["conversation"]

    async def _keep_connected(self) -> None:
        while True:
            await self._wait_until_lost()
            self.lost_s.append(time.monotonic())
            await self.client.close()
            while True:
                with suppress(OfferRefusedError, httpx.TransportError, ConnectionError, TimeoutError):
                    await self._connect()
                    break
                await asyncio.sleep(PAUSE_S)

    async def _wait_until_lost(self) -> None:
        client = self.client
        session = next(each for each in client.messages if each["type"] == "connected")["session_id"]
        async with httpx.AsyncClient(trust_env=False, timeout=2.0) as http:
            while not any(each["type"] == "closed" for each in client.messages):
                await asyncio.sleep(CHECK_S)
                frames = client.heard.frames
                if frames and time.monotonic() - frames[-1].arrived_s > DOUBT_S:
                    with suppress(httpx.TransportError):
                        if (await http.get(f"{self._url}/webrtc/sessions/{session}")).status_code == 404:
                            return
