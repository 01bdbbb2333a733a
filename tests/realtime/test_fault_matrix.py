"""Every kind of fault at every service during a conversation over real sockets: no word is lost, no session hangs.

One service fails in the same way all the time, and its stage has a second engine. The user's words are tones that the
simulated recognisers understand without a mistake, so that every lost word is noticed.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

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
from voicebot.engines.fallback import AgentFallbackGroup, SpeechToTextFallbackGroup, TextToSpeechFallbackGroup
from voicebot.engines.fallback_group import FallbackRules
from voicebot.engines.protocols import Engines
from voicebot.settings import config, destinations, registry

FIRST_SOUND_S = 6.5
"""The longest time from the end of the user's words to the first sound of the answer. User and bot share this thread.
Time for which it waited for a processor that other processes used does not count."""

QUESTIONS = ("is that word not for you", "was that the one they had")
ANSWER = "That is a good question to ask."

TOGETHER = 2
"""The number of services of a stage that are tested at the same time, as their conversations mostly wait."""

STAGES: dict[str, tuple[str, ...]] = {
    stage: tuple(entry.name for entry in entries if entry.name not in destinations.EMBEDDED)
    for stage, entries in (("stt", registry.STT), ("llm", registry.LLM), ("tts", registry.TTS))
}
"""The services of each stage: all engines that are not embedded."""

RATE_HZ = 16_000

STAGGER_S = 0.2
"""The time between the beginnings of two conversations: an engine's first use takes the processor for up to 0.2 s."""


@dataclass
class Cell:
    """The outcome of one service with one fault."""

    service: str
    fault: Fault
    first_sound_s: float | None = None
    said_by: str = ""
    """The engine that did the work of the service's stage in the end."""
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        sound = "no sound" if self.first_sound_s is None else f"{self.first_sound_s:.2f} s"
        return (
            f"{self.service:16} {self.fault.value:10} {sound:>9}  {self.said_by:16} {'; '.join(self.problems) or 'ok'}"
        )


def planned(service: str, fault: Fault) -> Planned:
    """Returns the fault at the worst moment: in the middle of a stream whose first outputs have come."""
    return Planned(fault, after=3 if service in STAGES["llm"] else 1, delay_s=0.6)


@asynccontextmanager
async def engines(service: str, fault: Fault, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Engines]:
    """Yields engines that are not started. All of them work but the service, which is the first engine of its stage."""
    async with AsyncExitStack() as running:
        healthy_deepgram = await running.enter_async_context(DeepgramSimulator())
        settings: dict[str, Any] = {
            "deepgram_api_key": deepgram.KEY,
            "deepgram_base_url": healthy_deepgram.url,
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
                hub = HuggingFaceSimulator(brain=lambda *_: Answer(ANSWER))
                simulator = await running.enter_async_context(hub)
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
        faulty = config.load(**settings | {"deepgram_base_url": simulator.url})
        options = config.load(**settings)
        rules = FallbackRules(first_output_s=options.tuning.first_output_timeout_s, rest_s=options.tuning.engine_rest_s)
        stt: list[Any] = [registry.ALL["deepgram"].create(options)]
        llm: list[Any] = [ScriptedAgent("stand-in", scripts=[[ANSWER]] * 20)]
        tts: list[Any] = [ToneTts("stand-in", letter_s=0.03)]
        match service:
            case "deepgram":
                stt = [registry.ALL["deepgram"].create(faulty), registry.ALL["deepgram-rest"].create(options)]
            case "deepgram-rest":
                stt = [registry.ALL["deepgram-rest"].create(faulty), *stt]
            case "groq" | "openai" | "openai-realtime" | "huggingface" | "local":
                (entry,) = registry.in_order(registry.LLM, [service], options)
                llm = [build.agent(entry, options, build.toolbox(options)), *llm]
            case "elevenlabs":
                tts = [registry.ALL["elevenlabs"].create(options), *tts]
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
    """A user whose client sends frames all the time, silent ones too, and acknowledges each clip after its duration."""

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
        """Says a text. Returns the moment, by `own_time_s`, at which its last frame was sent."""
        self._unsaid += tone_words.spoken(text).tobytes()
        await self._changed.until(lambda: None if self._unsaid else True, 20, "end of speech")
        return self._spoken_s

    async def until(self, condition: Callable[[], object], timeout_s: float, what: str) -> None:
        await self._changed.until(lambda: True if condition() else None, timeout_s, what)

    def sound_after(self, moment_s: float) -> float | None:
        """Returns when the first sound after that moment came, or None."""
        times = [at_s for at_s, each in self.events if each["event"] == "play_audio" and at_s > moment_s]
        return times[0] if times else None


async def conversation(
    stage: str, cell: Cell, all_engines: Engines, settings: config.Settings, ready: asyncio.Barrier
) -> Cell:
    """Asks two questions. Waits first until all servers are `ready`, as their start takes the processor."""
    async with serving(all_engines, settings) as server, ws_client(server, f"?rate={RATE_HZ}") as client:
        user = User(client.socket)
        await asyncio.sleep(await ready.wait() * STAGGER_S)
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


@pytest.mark.parametrize(
    ("stage", "services"),
    [
        (stage, names[start : start + TOGETHER])
        for stage, names in STAGES.items()
        for start in range(0, len(names), TOGETHER)
    ],
    ids=lambda each: each if isinstance(each, str) else " ".join(each),
)
async def test_a_conversation_survives_every_kind_of_fault_of_a_service(
    stage: str, services: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gradio.mount_gradio_app", lambda app, *_, **__: app)
    monkeypatch.setattr("voicebot.web.server.add_page", lambda *_: None)  # a page for each server takes half a minute
    async with AsyncExitStack() as running:
        cells, ready = [], asyncio.Barrier(len(services) * len(Fault))
        settings = config.load(keep_conversations=False)
        for service, fault in itertools.product(services, Fault):
            all_engines = await running.enter_async_context(engines(service, fault, monkeypatch))
            cells.append(conversation(stage, Cell(service, fault), all_engines, settings, ready))
        results = await asyncio.gather(*cells)
    sys.stdout.write("\n".join(["", *map(str, results), ""]))
    assert not [str(cell) for cell in results if cell.problems]


def test_the_fault_matrix_covers_every_service() -> None:
    """The matrix takes its services from the registry, so that a new one is tested without a change here."""
    services = [service for stage in STAGES.values() for service in stage]
    assert sorted(services) == sorted({*registry.SERVICES, registry.LOCAL})
    sys.stdout.write(f"\n{len(services)} services: {', '.join(services)}\n")
    sys.stdout.write(f"{len(Fault)} faults: {', '.join(Fault)}\n")
