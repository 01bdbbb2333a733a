"""Every kind of fault at every service while a user talks, over real sockets: nothing is lost and nobody is stuck.

One service fails in the same way all the time; another engine of its stage is at hand. The user's words are tones that
simulated recognisers understand without a mistake, so that a word that is lost shows.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, get_args

import pytest

from tests.simulators import deepgram, elevenlabs, huggingface
from tests.simulators.brain import Answer
from tests.simulators.chat import ChatSimulator
from tests.simulators.deepgram import DeepgramSimulator
from tests.simulators.elevenlabs import ElevenLabsSimulator
from tests.simulators.faults import Fault, Planned
from tests.simulators.gtts import GttsSimulator
from tests.simulators.huggingface import HuggingFaceSimulator
from tests.simulators.local_servers import LlamaCppSimulator
from tests.simulators.realtime import RealtimeSimulator
from tests.support import tone_words
from tests.support.engines import LoudnessVad, ScriptedAgent, ToneTts
from tests.support.live_server import serving
from tests.support.processor import own_time_s
from tests.support.signal import Signal
from tests.support.ws_bot import session
from tests.support.ws_client import ws_client
from voicebot.bootstrap import engines as build
from voicebot.dialogue.history import Message, Role
from voicebot.engines import destinations
from voicebot.engines.fallback import AgentFallbackGroup, SpeechToTextFallbackGroup, TextToSpeechFallbackGroup
from voicebot.engines.fallback_group import FallbackRules
from voicebot.engines.protocols import Engines
from voicebot.settings import config
from voicebot.settings.config import LlmName, SttName, TtsName

FIRST_SOUND_S = 6.5
"""From the end of what the user says to the first sound of the answer, without the time for which this thread, which
is both the user and the bot, waited for a processor that others used."""

QUESTIONS = ("is that word not for you", "was that the one they had")
ANSWER = "That is a good question to ask."

STAGES: dict[str, tuple[str, ...]] = {
    stage: tuple(name for name in get_args(names) if name != "auto" and name not in destinations.EMBEDDED)
    for stage, names in (("stt", SttName), ("llm", LlmName), ("tts", TtsName))
}
"""The services of each stage: all that are no part of the bot itself."""

SKIPPED: dict[tuple[str, Fault], str] = {}
"""Combinations that are left out, with the reason."""

RATE_HZ = 16_000

APART_S = 0.2
"""Between the beginnings of two conversations: an engine's first work takes the processor for up to 0.2 s."""


@dataclass
class Cell:
    """What came of one combination."""

    service: str
    fault: Fault
    first_sound_s: float | None = None
    said_by: str = ""
    """The engine of the service's stage that did the work in the end."""
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        sound = "no sound" if self.first_sound_s is None else f"{self.first_sound_s:.2f} s"
        return (
            f"{self.service:16} {self.fault.value:10} {sound:>9}  {self.said_by:16} {'; '.join(self.problems) or 'ok'}"
        )


def planned(service: str, fault: Fault) -> Planned:
    """The fault where it hurts: in mid-stream once something has come."""
    return Planned(fault, after=3 if service in get_args(LlmName) else 1, delay_s=0.6)


@asynccontextmanager
async def engines(service: str, fault: Fault, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Engines]:
    """All stages well, but the service, which is the first of its stage. None is started."""
    async with AsyncExitStack() as running:
        well = await running.enter_async_context(DeepgramSimulator())
        settings: dict[str, Any] = {
            "deepgram_api_key": deepgram.KEY,
            "deepgram_base_url": well.url,
            "groq_api_key": "gsk_simulated",
            "openai_api_key": "sk-simulated",
            "elevenlabs_api_key": elevenlabs.KEY,
        }
        simulator: Any = None
        match service:
            case "deepgram" | "deepgram-rest":
                simulator = await running.enter_async_context(DeepgramSimulator())
            case "groq" | "openai":
                simulator = await running.enter_async_context(ChatSimulator(brain=lambda *_: Answer(ANSWER)))
                settings |= {"groq_base_url": simulator.url, "openai_base_url": f"{simulator.url}/v1"}
            case "openai-realtime":
                simulator = await running.enter_async_context(RealtimeSimulator(brain=lambda *_: Answer(ANSWER)))
                settings |= {"openai_base_url": f"{simulator.url}/v1"}
            case "huggingface":
                service_at = HuggingFaceSimulator(brain=lambda *_: Answer(ANSWER))
                simulator = await running.enter_async_context(service_at)
                settings |= {"hf_token": huggingface.TOKEN, "huggingface_base_url": f"{simulator.url}/v1"}
            case "local":
                simulator = await running.enter_async_context(LlamaCppSimulator(brain=lambda *_: Answer(ANSWER)))
                settings |= {"ollama_host": simulator.url}
            case "elevenlabs":
                simulator = await running.enter_async_context(ElevenLabsSimulator())
                settings |= {"elevenlabs_base_url": simulator.url}
            case "gtts":
                simulator = await running.enter_async_context(GttsSimulator())
                monkeypatch.setenv("HTTPS_PROXY", simulator.url)
            case _:
                raise AssertionError(f"{service} has no simulator in this matrix")
        simulator.faults.always(planned(service, fault))
        ill = config.load(**settings | {"deepgram_base_url": simulator.url})
        options = config.load(**settings)
        rules = FallbackRules(first_output_s=options.tuning.first_output_timeout_s, rest_s=options.tuning.engine_rest_s)
        stt: list[Any] = [build.speech_to_text("deepgram", options)]
        llm: list[Any] = [ScriptedAgent("stand-in", scripts=[[ANSWER]] * 20)]
        tts: list[Any] = [ToneTts("stand-in", letter_s=0.03)]
        match service:
            case "deepgram":
                stt = [build.speech_to_text("deepgram", ill), build.speech_to_text("deepgram-rest", options)]
            case "deepgram-rest":
                stt = [build.speech_to_text("deepgram-rest", ill), *stt]
            case "groq" | "openai" | "openai-realtime" | "huggingface" | "local":
                llm = [build.agent(service, options), *llm]
            case "elevenlabs":
                tts = [build.text_to_speech("elevenlabs", options), *tts]
            case _:
                from voicebot.engines.tts.gtts import Gtts

                gtts = Gtts()
                await gtts.start()  # it takes the proxy from the environment now
                tts = [gtts, *tts]
        yield Engines(
            stt=SpeechToTextFallbackGroup(stt, rules),
            agent=AgentFallbackGroup(llm, replace(rules, retries=options.tuning.llm_retries)),
            tts=TextToSpeechFallbackGroup(tts, rules),
            vad_name="loudness",
            make_vad=LoudnessVad,
        )


class User:
    """Talks all the time, in silence too, and plays what comes."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket
        self._unsaid = b""
        self._spoken_s = 0.0
        self._changed = Signal()
        self.events: list[tuple[float, dict[str, Any]]] = []

    async def talk(self) -> None:
        silence, due_s = bytes(640), time.monotonic()
        while True:
            frame, self._unsaid = self._unsaid[:640], self._unsaid[640:]
            await self._socket.send(frame + silence[len(frame) :])
            if frame:
                self._spoken_s = own_time_s()
                self._changed.notify()
            due_s += 0.02
            await asyncio.sleep(due_s - time.monotonic())

    async def listen(self) -> None:
        async for raw in self._socket:
            message = json.loads(raw)
            self.events.append((own_time_s(), message))
            if message["event"] == "play_audio":
                asyncio.get_running_loop().call_later(
                    message["duration_ms"] / 1000, self._acknowledge, message["sequence"]
                )
            self._changed.notify()

    def _acknowledge(self, sequence: int) -> None:
        task = asyncio.ensure_future(self._socket.send(json.dumps({"type": "clip_played", "sequence": sequence})))
        task.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def say(self, text: str) -> float:
        """Returns the moment, by `own_time_s`, at which the last word has been said."""
        self._unsaid += tone_words.spoken(text).tobytes()
        await self._changed.until(lambda: None if self._unsaid else True, 20, "end of speech")
        return self._spoken_s

    async def until(self, condition: Callable[[], object], timeout_s: float, what: str) -> None:
        await self._changed.until(lambda: True if condition() else None, timeout_s, what)

    def sound_after(self, moment_s: float) -> float | None:
        """When the first sound after that moment came."""
        times = [at_s for at_s, each in self.events if each["event"] == "play_audio" and at_s > moment_s]
        return times[0] if times else None


async def conversation(stage: str, service: str, fault: Fault, everything: Engines, ready: asyncio.Barrier) -> Cell:
    """Two questions and what came of them. Nobody talks before all servers are `ready`, which takes the processor."""
    cell = Cell(service, fault)
    async with serving(everything, config.load()) as server, ws_client(server, f"?rate={RATE_HZ}") as client:
        user = User(client.socket)
        await asyncio.sleep(await ready.wait() * APART_S)
        tasks = [asyncio.create_task(user.talk()), asyncio.create_task(user.listen())]
        try:
            await asyncio.sleep(0.5)
            for number, question in enumerate(QUESTIONS, 1):
                ended_s = await user.say(question)
                try:
                    await user.until(lambda: user.sound_after(ended_s), 30, "sound")  # noqa: B023
                    heard_s = user.sound_after(ended_s)
                    assert heard_s is not None
                    if number == 1:
                        cell.first_sound_s = heard_s - ended_s
                    await user.until(lambda: _answers(server) == number and session(server).state.is_idle, 30, "answer")  # noqa: B023
                except TimeoutError as error:
                    cell.problems.append(f"question {number}: {error}")
                    break
            history = session(server).state.history
            cell.said_by = next(
                (each.engine for each in session(server).state.engines_in_use if each.stage == stage), ""
            )
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
    cell.problems += _problems(cell, history)
    return cell


def _answers(server: Any) -> int:
    return sum(message.role is Role.ASSISTANT for message in session(server).state.history)


def _problems(cell: Cell, history: tuple[Message, ...]) -> list[str]:
    problems = []
    if cell.first_sound_s is None or cell.first_sound_s > FIRST_SOUND_S:
        problems.append(f"first sound after {cell.first_sound_s} s")
    said = " ".join(message.text for message in history if message.role is Role.USER)
    if said.split() != " ".join(QUESTIONS).split():
        problems.append(f"the user was heard saying {said!r}")
    answers = [message.text for message in history if message.role is Role.ASSISTANT]
    if answers != [ANSWER, ANSWER]:
        problems.append(f"the answers were {answers}")
    return problems


@pytest.mark.parametrize(("stage", "service"), [(stage, each) for stage, names in STAGES.items() for each in names])
async def test_a_conversation_survives_every_kind_of_fault_of_a_service(
    stage: str, service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gradio.mount_gradio_app", lambda app, *_, **__: app)
    monkeypatch.setattr("voicebot.web.server.add_page", lambda *_: None)  # a page for each server takes half a minute
    wanted = [fault for fault in Fault if (service, fault) not in SKIPPED]
    async with AsyncExitStack() as running:
        cells, ready = [], asyncio.Barrier(len(wanted))
        for fault in wanted:
            everything = await running.enter_async_context(engines(service, fault, monkeypatch))
            cells.append(conversation(stage, service, fault, everything, ready))
        results = await asyncio.gather(*cells)
    skipped = [f"{each:16} {fault:10} skipped: {why}" for (each, fault), why in SKIPPED.items() if each == service]
    sys.stdout.write("\n".join(["", *map(str, results), *skipped, ""]))
    assert not [str(cell) for cell in results if cell.problems]


def test_the_fault_matrix_covers_every_service() -> None:
    """A new service or kind of fault is in the matrix by itself; what is left out has a reason."""
    services = [service for stage in STAGES.values() for service in stage]
    assert sorted(services) == sorted(build.KEYS.keys() | {"gtts", "local"})
    assert all(SKIPPED.values())
    sys.stdout.write(f"\n{len(services)} services: {', '.join(services)}\n")
    sys.stdout.write(f"{len(Fault)} faults: {', '.join(Fault)}\n")
