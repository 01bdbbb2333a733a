"""`make bench-soak` lets visitors come and go for half an hour while services fail, and checks for growth and hangs.

The app runs as delivered, on simulated cloud services over real sockets, with the embedded engines as fallback. Each
minute visitors come over both transports, speak or write, interrupt, send nonsense, and leave with or without a
goodbye, while faults of all kinds are injected. Then all leave, and the app's resources are measured.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from tests.benchmarks.load import NO_LIMITS
from tests.benchmarks.oracle import CROWD_QUESTION
from tests.benchmarks.services import LOUD
from tests.benchmarks.users import questions
from tests.simulators import deepgram, elevenlabs
from tests.simulators.chat import ChatSimulator
from tests.simulators.deepgram import DeepgramSimulator, Disturbance, HeardWord, Setting
from tests.simulators.elevenlabs import ElevenLabsSimulator
from tests.simulators.faults import Fault, Faults
from tests.simulators.voices import tone_of
from tests.support.app_process import App, running_app
from tests.support.rtc_client import OfferRefusedError, RtcClient
from voicebot.audio.sound import FRAME_S, SPEECH_RATE_HZ, Audio, Samples

CROWD = 4
"""The number of visitors at a time."""

ANSWER_S = 25.0
"""A visitor who has heard neither an answer nor an apology after this time is stuck."""

GONE_S = 30.0
"""The time after the last visitor in which all sessions must end: more than `Tuning.media_timeout_s`."""

FAULT_S = (1.0, 4.0)
"""The time between two faults."""

WARM_UP = 5
"""The rounds after which the app's memory should be level."""

NONSENSE = ("", "{", "[]", '{"type":"dance"}', '{"type":"text"}', '{"type":"speech_end","audio":"???"}', "\x00" * 100)

GONE = (OSError, TimeoutError, httpx.HTTPError, OfferRefusedError, WebSocketException)


class PacedRecogniser:
    """Returns as many words of the question as there has been loud sound for."""

    def __init__(self) -> None:
        self._heard = 0
        self._loud: list[tuple[int, int]] = []

    def receive_audio(self, samples: Samples) -> None:
        if (abs(samples) > LOUD).any():
            self._loud.append((self._heard, self._heard + len(samples)))
        self._heard += len(samples)

    async def words(self, since: int, *, all_heard: bool) -> list[HeardWord]:
        loud = [piece for piece in self._loud if piece[0] >= since]
        if not loud:
            return []
        start, length_s = loud[0][0], (loud[-1][1] - loud[0][0]) / SPEECH_RATE_HZ
        ends = [
            (text, start + round(ends_s * SPEECH_RATE_HZ))
            for text, ends_s in CROWD_QUESTION
            if ends_s <= length_s + 0.1
        ]
        starts = [start, *(end for _, end in ends)]
        return [HeardWord(text, began, end) for (text, end), began in zip(ends, starts, strict=False)]


@dataclass(slots=True)
class Services:
    """The services on which the app depends."""

    settings: dict[str, object]
    faults: dict[str, Faults]
    recogniser: DeepgramSimulator

    def disturb(self, dice: random.Random) -> str:
        """Injects a fault into one of the services, and returns its description."""
        name = dice.choice([*self.faults, "live"])
        if name == "live":
            disturbance = dice.choice(list(Disturbance))
            self.recogniser.setting.disturbances[self.recogniser.messages + dice.randrange(1, 200)] = (
                disturbance,
                False,
            )
            return f"{name} {disturbance}"
        fault = dice.choice(list(Fault))
        self.faults[name].plan(fault)
        return f"{name} {fault}"


@asynccontextmanager
async def services() -> AsyncIterator[Services]:
    async with AsyncExitStack() as running:
        hears = await running.enter_async_context(DeepgramSimulator(Setting(make_recogniser=PacedRecogniser)))
        thinks = await running.enter_async_context(ChatSimulator(first_token_s=0.1, token_s=0.02))
        speaks = await running.enter_async_context(ElevenLabsSimulator(tone_of))
        settings: dict[str, object] = {
            "stt_engine": "deepgram,moonshine",
            "deepgram_api_key": deepgram.KEY,
            "deepgram_base_url": hears.url,
            "llm_engine": "groq,offline",
            "groq_api_key": "any-key-will-do",
            "groq_base_url": thinks.url,
            "tts_engine": "elevenlabs,espeak",
            "elevenlabs_api_key": elevenlabs.KEY,
            "elevenlabs_base_url": speaks.url,
            "engine_rest_s": 5,
            "first_output_timeout_s": 2,
            "no_proxy": "127.0.0.1",
        }
        faults = {"deepgram": hears.faults, "groq": thinks.faults, "elevenlabs": speaks.faults}
        yield Services(settings, faults, hears)


@dataclass(slots=True)
class Tally:
    """The results of the visits."""

    counts: Counter[str] = field(default_factory=Counter)
    stuck: list[str] = field(default_factory=list)


async def _until(condition: Callable[[], object], what: str, tally: Tally) -> None:
    try:
        async with asyncio.timeout(ANSWER_S):
            while not condition():  # noqa: ASYNC110 (one of many signals comes)
                await asyncio.sleep(0.05)
    except TimeoutError:
        tally.stuck.append(what)


async def by_webrtc(app: App, dice: random.Random, tally: Tally) -> None:
    """Speaks or writes, waits for a sound, may interrupt, and hangs up or vanishes."""
    async with RtcClient(app.url) as client:
        for _ in range(dice.randrange(1, 4)):
            began = len(client.messages)
            spoken = dice.random() < 0.6
            if spoken:
                client.microphone.say(questions(1)[0].audio)
                await client.microphone.said()
            else:
                client.send({"type": "text", "text": "hello"})

            def came(since: int = began) -> bool:
                states = [each for each in client.messages[since:] if each["type"] == "state"]
                return any(each["status"]["playback"] == "active" or each["error"] for each in states)

            await _until(came, f"webrtc, {'spoken' if spoken else 'written'}", tally)
            tally.counts["webrtc turns"] += 1
            if dice.random() < 0.3:
                client.send(json.loads('{"type": "dance"}'))
            await asyncio.sleep(dice.uniform(0.2, 3.0))
        match dice.randrange(3):
            case 0:
                client.send({"type": "bye"})
                await client.wait_for_state("closed", 10)
            case 1:  # The client vanishes without a message to the app.
                client.microphone.stop()
                client.link.loss = 1.0
            case _:
                pass


async def by_websocket(app: App, dice: random.Random, tally: Tally) -> None:
    """Sends live audio or text and nonsense, never acknowledges, and closes or aborts the socket."""
    url = app.url.replace("http", "ws", 1) + "/ws?rate=16000"
    async with connect(url, max_size=None, proxy=None) as socket:
        came: list[dict[str, Any]] = []

        async def listen() -> None:
            async for raw in socket:
                came.append(json.loads(raw))

        listening = asyncio.create_task(listen())
        try:
            for _ in range(dice.randrange(1, 4)):
                began, spoken = len(came), dice.random() < 0.6
                if spoken:
                    sound = Audio.joined(
                        [questions(1)[0].audio.resampled(SPEECH_RATE_HZ), Audio.silence(1.5, SPEECH_RATE_HZ)],
                        SPEECH_RATE_HZ,
                    )
                    size = round(FRAME_S * SPEECH_RATE_HZ)
                    for start in range(0, len(sound.samples), size):
                        await socket.send(Audio(sound.samples[start : start + size], SPEECH_RATE_HZ).to_bytes())
                        await asyncio.sleep(FRAME_S)
                else:
                    await socket.send(json.dumps({"type": "text", "text": "hello"}))

                def answered(since: int = began) -> bool:
                    return any(each["event"] in ("play_audio", "error") for each in came[since:])

                await _until(answered, f"ws, {'spoken' if spoken else 'written'}", tally)
                tally.counts["ws turns"] += 1
                await socket.send(dice.choice(NONSENSE))
                await asyncio.sleep(dice.uniform(0.2, 2.0))
            if dice.random() < 0.4:
                socket.transport.abort()
        finally:
            listening.cancel()
            await asyncio.wait([listening])


async def visits(app: App, dice: random.Random, until_s: float, tally: Tally) -> None:
    """Makes one visit after the other."""
    while time.monotonic() < until_s:
        visit = dice.choice([by_webrtc, by_websocket])
        try:
            await visit(app, dice, tally)
            tally.counts["visits"] += 1
        except GONE as error:
            tally.counts[f"{visit.__name__}: {type(error).__name__}"] += 1


async def inject_faults(running: Services, dice: random.Random, tally: Tally) -> None:
    while True:
        await asyncio.sleep(dice.uniform(*FAULT_S))
        tally.counts["faults"] += 1
        tally.counts[f"fault: {running.disturb(dice)}"] += 1


async def held(app: App) -> dict[str, float]:
    """Returns the resources that the app holds without visitors."""
    async with httpx.AsyncClient(trust_env=False) as http:
        page = (await http.get(f"{app.url}/metrics")).text
    tasks = re.search(r"^voicebot_tasks (\S+)", page, re.MULTILINE)
    assert tasks is not None
    return {
        "MB": app.process.memory_info().rss / 1e6,
        "tasks": float(tasks[1]),
        "threads": app.process.num_threads(),
        "file descriptors": app.process.num_fds(),
        "processes": len(app.process.children(recursive=True)),
    }


async def soak(minutes: float, seed: int) -> tuple[list[str], bool]:
    """Returns a table with a row for each round of a minute, and whether all is well."""
    dice, tally, rows = random.Random(seed), Tally(), []
    with tempfile.TemporaryDirectory() as folder:
        async with services() as running:
            with running_app(Path(folder), **NO_LIMITS, **running.settings) as app:
                for number in itertools.count(1):
                    if number > minutes:
                        break
                    faults = asyncio.create_task(inject_faults(running, dice, tally))
                    until_s = time.monotonic() + 50
                    await asyncio.gather(
                        *(visits(app, random.Random(dice.random()), until_s, tally) for _ in range(CROWD))
                    )
                    faults.cancel()
                    gone_s = time.monotonic() + GONE_S
                    while (left := app.health()["sessions"]) and time.monotonic() < gone_s:  # noqa: ASYNC110
                        await asyncio.sleep(0.5)
                    if left:
                        tally.stuck.append(f"{left} sessions of visitors who had left, round {number}")
                    await asyncio.sleep(6)  # Connections to services are kept for another use.
                    rows.append(await held(app))
                    sys.stderr.write(f"{number}: {rows[-1]} {dict(tally.counts.most_common(4))} {tally.stuck}\n")
                log = app.log.read_text("utf-8")
    crashes = log.count("Traceback")
    lines = ["| with nobody there | after warm-up | at the end | most |", "|---|---|---|---|"]
    settled = rows[min(WARM_UP, len(rows) - 1) :]
    for name in rows[0]:
        values = [row[name] for row in settled]
        lines.append(f"| {name} | {values[0]:.0f} | {values[-1]:.0f} | {max(values):.0f} |")
    lines += ["", f"- {len(rows)} rounds; " + ", ".join(f"{what} {count}" for what, count in tally.counts.items())]
    lines += [f"- stuck: {each}" for each in tally.stuck] or ["- nobody was stuck"]
    lines.append(f"- tracebacks in the log: {crashes}")
    return lines, not tally.stuck and not crashes


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=int, default=30, help="rounds of a minute (default 30)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    lines, well = asyncio.run(soak(options.minutes, options.seed))
    sys.stdout.write("\n".join(lines) + "\n")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
