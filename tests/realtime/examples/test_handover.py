"""The hand-over as people would have it: the app, a user who talks over WebRTC, and a person at the console."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.realtime.examples.conftest import EXAMPLES
from tests.support.app_process import forked_app
from tests.support.rtc_client import RtcClient
from tests.support.signal import Signal
from tests.support.speech import spoken
from tests.support.understanding import understood
from voicebot.audio.sound import WIRE_RATE_HZ, Audio

HANDOVER = EXAMPLES / "handover"


@dataclass
class Console:
    """The running console. `lines` is what it has printed."""

    process: asyncio.subprocess.Process
    lines: list[str] = field(default_factory=list)
    changed: Signal = field(default_factory=Signal)

    async def read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.lines.append(line.decode().rstrip())
            self.changed.notify()

    async def until(self, part: str) -> str:
        """Returns the first line with this part."""
        return await self.changed.until(
            lambda: next((line for line in self.lines if part.lower() in line.lower()), None), 30, part
        )

    def type(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n".encode())


@asynccontextmanager
async def console() -> AsyncIterator[tuple[Console, str]]:
    """Runs the console on a free port until the block ends. Yields it and its address."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(HANDOVER / "console.py"), "0"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    running = Console(process)
    reading = asyncio.create_task(running.read())
    try:
        yield running, (await running.until("Waiting at")).split()[-1]
        assert process.stdin is not None
        process.stdin.close()
        async with asyncio.timeout(10):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
        await reading


@dataclass
class User:
    client: RtcClient

    async def until(self, condition: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """Returns the newest state, once the condition holds for it."""

        def newest(_: dict[str, Any]) -> bool:
            return bool(self.state) and bool(condition(self.state))

        await self.client.wait_for_message(newest, 30)
        return self.state

    @property
    def state(self) -> dict[str, Any]:
        return next((each for each in reversed(self.client.messages) if each["type"] == "state"), {})

    async def says(self, text: str, voice: str = "rms") -> None:
        self.client.microphone.say(spoken(text, voice).resampled(WIRE_RATE_HZ))
        await self.client.microphone.said()

    async def hears(self, text: str) -> dict[str, Any]:
        """Waits until the user has heard this text to its end."""
        return await self.until(lambda state: state["phase"] == "idle" and _last(state).get("heard") == text)


def _last(state: dict[str, Any]) -> dict[str, Any]:
    messages = [message for message in state["chat"] if message["role"] == "assistant"]
    return messages[-1] if messages else {}


async def test_ctrl_c_ends_the_console() -> None:
    async with console() as (person, _):
        person.process.send_signal(signal.SIGINT)
        async with asyncio.timeout(10):
            assert await person.process.wait() == 0


async def test_a_person_at_the_console_talks_with_the_user_and_gives_the_conversation_back(tmp_path: Path) -> None:
    for text in ("I want to talk to a person", "where is my money please", "what is ten times three"):
        spoken(text)  # made first, as it would hold up the client
    spoken("uh huh", "slt")
    agent = f"{HANDOVER / 'graph.py'}:make"
    async with console() as (person, webhook):
        settings = {"agent": agent, "llm_engine": "offline", "handover_webhook": webhook, "tts_engine": "hibari"}
        with forked_app(tmp_path, None, **settings) as app:
            async with RtcClient(app.url) as client:
                user = User(client)
                await client.wait_for_message(lambda message: message["type"] == "connected")
                await user.says("I want to talk to a person")
                await person.until("asks for a person")
                await person.until("user: I want to talk to a person")
                assert (await user.hears("I'll get a person for you. Please stay on the line."))["handed_over"]

                await person.until(" bot: I'll get a person for you. Please stay on the line.")

                already = len(client.heard.frames)
                person.type("The blue parcel comes tomorrow.")
                await user.hears("The blue parcel comes tomorrow.")
                await person.until("you: The blue parcel comes tomorrow.")
                frames = (frame.audio for frame in client.heard.frames[already:])
                heard = understood(Audio.joined(frames, WIRE_RATE_HZ)).lower()
                assert "parcel comes tomorrow" in heard, heard

                long = "We have looked for it in every house of the street, and in the end a neighbour had it at home."
                person.type(long)
                await user.until(lambda state: state["phase"] == "speaking")
                await user.says("uh huh", "slt")
                await user.until(lambda state: state["verdicts"] and state["verdicts"][0]["decision"] == "resume")
                await user.hears(long)

                person.type(f"{long} {long}")
                await user.until(lambda state: len(_last(state).get("heard", "").split()) in range(3, 12))
                await user.says("where is my money please")
                assert "user: " in (await person.until("money")).lower()
                cut = next(line for line in person.lines if line.endswith("(interrupted)"))
                assert len(cut.split()) < len(long.split())
                assert user.state["verdicts"][0]["decision"] == "regenerate"

                person.type("")
                await person.until("has ended for you: given back")
                assert not (await user.hears("You are talking to the bot again."))["handed_over"]
                await user.says("what is ten times three")
                await user.until(lambda state: "thirty" in _last(state).get("heard", "").lower())
        assert "Traceback" not in app.log.read_text("utf-8"), app.log.read_text("utf-8")
