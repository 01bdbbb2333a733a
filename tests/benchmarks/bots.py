"""The bots under test, each in a process of its own, and a user who is connected to one."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.benchmarks.oracle import Mode
from tests.benchmarks.users import Clip
from tests.support.app_process import environment, running_app
from tests.support.paths import PROJECT
from tests.support.rtc_client import RtcClient
from tests.support.rtc_link import Link
from voicebot.audio.sound import FRAME_S, FRAME_SAMPLES, WIRE_RATE_HZ, Audio

START_S = 90.0
"""The imports of a bot take up to half a minute on a busy machine."""

LEAD_S = 0.25
"""Silence before a clip, in which the bot receives the words before they are spoken."""

SETTLING_S = 0.5
"""The time between the connection and the first word."""

PIPECAT_VENV = PROJECT / ".venv-pipecat"
PIPECAT_INSTALLED = PIPECAT_VENV / ".installed"
"""`make bench` creates this file when all requirements are installed."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A bot that can be started."""

    name: str
    module: str
    python: Path = Path(sys.executable)
    ours: bool = False
    folder: Path = PROJECT
    """The project's folder from which it runs."""


OURS = Kind("ours", "tests.benchmarks.our_bot", ours=True)
FASTRTC = Kind("FastRTC", "tests.benchmarks.fastrtc_bot")
LOAD = Kind("load", "tests.benchmarks.load_bot", ours=True)
SERVICES = Kind("services", "tests.benchmarks.services")
"""The simulated services for our app, which start as the bots do."""
PIPECAT = Kind("Pipecat", "tests.benchmarks.pipecat.bot", PIPECAT_VENV / "bin" / "python")


@dataclass(frozen=True, slots=True)
class Bot:
    kind: Kind
    url: str
    control_url: str
    """The URL of its control routes (see `control`)."""
    pid: int

    async def log(self) -> dict[str, Any]:
        """Returns the record of its replies and sentences: {"replies": [...], "sentences": [...]}."""
        async with httpx.AsyncClient(trust_env=False) as http:
            answer: dict[str, Any] = (await http.get(f"{self.control_url}/bench/log")).raise_for_status().json()
        return answer


@asynccontextmanager
async def running(
    kind: Kind, logs: Path, *arguments: str, no_delays: bool = False, **settings: object
) -> AsyncIterator[Bot]:
    """Runs the bot for the duration of the block. Raises OSError or TimeoutError if it does not start."""
    if no_delays:
        arguments = ("--no-delays", *arguments)
    with (logs / f"{kind.name}{'-no-delays' if no_delays else ''}.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(str(kind.python), "-m", kind.module, *arguments),
            cwd=kind.folder,
            env=environment(**settings),
            stdout=PIPE,
            stderr=log,
        )
        try:
            async with asyncio.timeout(START_S):
                url = await _address(process)
            reading = asyncio.create_task(_drain(process))
            yield Bot(kind, url, url, process.pid)
            reading.cancel()
        finally:
            await _end(process)


@asynccontextmanager
async def running_on_services(logs: Path, *, preemptive: bool) -> AsyncIterator[Bot]:
    """Runs our app as delivered, on simulated cloud services. Raises OSError or TimeoutError if it does not start.

    Blocks while the app starts and ends.
    """
    async with running(SERVICES, logs) as services, httpx.AsyncClient(trust_env=False) as http:
        settings = (await http.get(f"{services.url}/settings")).raise_for_status().json()
        with running_app(logs, **settings, preemptive_replies=preemptive) as app:
            yield Bot(OURS, app.url, services.url, app.process.pid)


async def _address(process: Process) -> str:
    assert process.stdout is not None
    while line := (await process.stdout.readline()).decode():
        if line.startswith("http://"):
            return line.strip()
    raise ChildProcessError("the bot ended before it served; its log says why")


async def _drain(process: Process) -> None:
    assert process.stdout is not None
    while await process.stdout.readline():
        pass


async def _end(process: Process) -> None:
    if process.returncode is None:
        process.terminate()
    try:
        async with asyncio.timeout(10):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


@dataclass(frozen=True, slots=True)
class Spoken:
    """The times at which the speech of a clip began and ended at the user's microphone (monotonic clock)."""

    clip: Clip
    onset_s: float
    ended_s: float


class User:
    """A user who talks to a bot over WebRTC."""

    def __init__(self, bot: Bot, client: RtcClient) -> None:
        self.bot = bot
        self.client = client
        self.heard = client.heard

    async def say(self, clip: Clip, mode: Mode = "story") -> Spoken:
        """Sends the words to the bot's recogniser and the kind of answer to its agent, and then speaks the clip.

        Returns when the last sample of speech has been sent.
        """
        microphone = self.client.microphone
        start = microphone.say(Audio.joined([Audio.silence(LEAD_S, WIRE_RATE_HZ), clip.audio], WIRE_RATE_HZ))
        start += round(LEAD_S * WIRE_RATE_HZ)
        start_s = microphone.sent_s[-1] + (start - len(microphone.sent_s) * FRAME_SAMPLES) / WIRE_RATE_HZ
        words = [(word, start_s + ends_s) for word, ends_s in clip.words]
        async with httpx.AsyncClient(trust_env=False) as http:
            await http.post(f"{self.bot.control_url}/bench/say", json={"words": words, "mode": mode})
        onset, end = (start + round(at_s * WIRE_RATE_HZ) for at_s in (clip.onset_s, clip.end_s))
        await microphone.passed(end)
        return Spoken(clip, self._sent_at(onset), self._sent_at(end))

    def _sent_at(self, position: int) -> float:
        """Returns the time at which this sample was sent, which is when its frame was full."""
        return self.client.microphone.sent_at(position) - FRAME_S + position % FRAME_SAMPLES / WIRE_RATE_HZ


@asynccontextmanager
async def calling(bot: Bot, link: Link | None = None) -> AsyncIterator[User]:
    async with RtcClient(bot.url, link=link, connect_timeout_s=20) as client:
        await client.microphone.passed(round(SETTLING_S * WIRE_RATE_HZ))
        yield User(bot, client)
