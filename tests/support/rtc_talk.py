"""A conversation over WebRTC: speaks or types for the user, and reads the states that the page would show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.support.live_server import LiveServer
from tests.support.rtc_client import RtcClient
from tests.support.speech import spoken
from voicebot.audio.sound import WIRE_RATE_HZ, Audio

Json = dict[str, Any]


@dataclass
class Talk:
    """The conversation of one client with one server."""

    server: LiveServer
    client: RtcClient

    @property
    def state(self) -> Json:
        """Returns the newest state, or an empty one before the first."""
        return next((message for message in reversed(self.client.messages) if message["type"] == "state"), {})

    async def until(self, condition: Callable[[Json], object], timeout_s: float = 30) -> Json:
        """Returns the newest state, once the condition holds for it."""
        try:
            await self.client.wait_for_message(lambda _: bool(self.state and condition(self.state)), timeout_s)
        except TimeoutError as error:
            error.add_note(str(self.state))
            raise
        return self.state

    async def says(self, text: str, voice: str = "rms") -> None:
        """Speaks into the microphone and waits for the end of the speech."""
        self.client.microphone.say(spoken(text, voice).resampled(WIRE_RATE_HZ))
        await self.client.microphone.said()

    async def listens(self, duration_s: float) -> None:
        """Says nothing until the microphone has sent this much sound."""
        self.client.microphone.say(Audio.silence(duration_s, WIRE_RATE_HZ))
        await self.client.microphone.said()

    def types(self, text: str) -> None:
        """Sends a text instead of speech."""
        self.client.send({"type": "text", "text": text})

    async def answered(self, count: int) -> Json:
        """Returns the state once the bot is at rest and there are `count` messages of the assistant."""
        return await self.until(lambda state: state["phase"] == "idle" and len(answers(state)) == count)


def answers(state: Json) -> list[Json]:
    """Returns the assistant's messages."""
    return [message for message in state["chat"] if message["role"] == "assistant"]
