"""Every fault of every service while a user talks: the bot still answers soon, and no word of the user's is lost."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import numpy as np
import pytest

from tests.simulators import deepgram, elevenlabs
from tests.simulators.brain import Answer, Said
from tests.simulators.chat import ChatSimulator
from tests.simulators.deepgram import DeepgramSimulator, Setting
from tests.simulators.deepgram.ears import HeardWord
from tests.simulators.elevenlabs import ElevenLabsSimulator
from tests.simulators.faults import Fault, Faults, Planned
from tests.simulators.gtts import GttsSimulator
from tests.simulators.realtime import RealtimeSimulator
from tests.simulators.voices import espeak_of
from tests.support.live_server import LiveServer, serving
from tests.support.speech import spoken
from tests.support.ws_client import WsClient, ws_client
from voicebot import build, config
from voicebot.core.audio import FRAME_S, SPEECH_RATE_HZ, Audio, Samples

FIRST_SOUND_S = 6.5
"""From the user's last word to the bot's first sound, whatever fails."""

QUESTION, ANSWER = "what is two plus two", "four"
NEXT_QUESTION, NEXT_ANSWER = "what is three plus three", "six"

SERVICES = {
    "deepgram": {"stt_engine": "deepgram,pocketsphinx"},
    "deepgram flux": {"stt_engine": "deepgram,pocketsphinx", "deepgram_model": "flux-general-en"},
    "deepgram-rest": {"stt_engine": "deepgram-rest,pocketsphinx"},
    "groq": {"llm_engine": "groq,offline"},
    "openai": {"llm_engine": "openai,offline"},
    "openai-realtime": {"llm_engine": "openai-realtime,offline"},
    "elevenlabs": {"tts_engine": "elevenlabs,espeak"},
    "gtts": {"tts_engine": "gtts,espeak"},
}
"""Each service, with the embedded engine behind it that stands in."""

OTHERS = {"stt_engine": "deepgram", "llm_engine": "offline", "tts_engine": "espeak", "stt_workers": 1}
SOON_AGAIN = {"engine_rest_s": 0.1, "messages_per_s": 1_000}


def planned(fault: Fault) -> Planned:
    """It begins in mid-answer where that can be, and what comes late comes after another engine could have spoken."""
    return Planned(fault, delay_s=3.0, after=2)


def answer(said: Sequence[Said], _: Sequence[str]) -> Answer:
    """What the simulated models say."""
    question = next(each.text for each in reversed(said) if each.role == "user")
    return Answer(f"It is {ANSWER if question == QUESTION else NEXT_ANSWER}.")


class QuestionEar:
    """Understands any speech as the question, once all of it was heard: what it costs to listen is no part of this."""

    def __init__(self) -> None:
        self._heard = 0

    def hear(self, samples: Samples) -> None:
        self._heard += len(samples)

    async def words(self, since: int, *, all_heard: bool) -> list[HeardWord]:
        if not all_heard or self._heard - since < SPEECH_RATE_HZ / 2:
            return []
        words = QUESTION.split()
        places = np.linspace(since, self._heard, len(words) + 1).astype(int).tolist()
        return [HeardWord(*word) for word in zip(words, places[:-1], places[1:], strict=True)]


@asynccontextmanager
async def simulated(service: str, reads: GttsSimulator) -> AsyncIterator[tuple[Faults, dict[str, Any]]]:
    """The service's faults, and the settings with which the app finds it, and a recogniser if it is another stage's."""
    async with AsyncExitStack() as running:
        hears = await running.enter_async_context(DeepgramSimulator(Setting(make_ear=QuestionEar)))
        heard_by: dict[str, Any] = {"deepgram_api_key": deepgram.KEY, "deepgram_base_url": hears.url}
        match service.split(" ")[0]:
            case "deepgram" | "deepgram-rest":
                yield hears.faults, heard_by
            case "groq":
                chat = await running.enter_async_context(ChatSimulator(brain=answer))
                yield chat.faults, heard_by | {"groq_api_key": "gsk_simulated", "groq_base_url": chat.url}
            case "openai":
                chat = await running.enter_async_context(ChatSimulator(brain=answer))
                yield chat.faults, heard_by | {"openai_api_key": "sk-simulated", "openai_base_url": f"{chat.url}/v1"}
            case "openai-realtime":
                realtime = await running.enter_async_context(RealtimeSimulator(brain=answer))
                url = f"{realtime.url}/v1"
                yield realtime.faults, heard_by | {"openai_api_key": "sk-simulated", "openai_base_url": url}
            case "elevenlabs":
                speaks = await running.enter_async_context(ElevenLabsSimulator(espeak_of))
                found = {"elevenlabs_api_key": elevenlabs.KEY, "elevenlabs_base_url": speaks.url}
                yield speaks.faults, heard_by | found
            case "gtts":
                yield reads.faults, heard_by
            case other:
                raise AssertionError(other)


async def says(client: WsClient, text: str) -> float:
    """Send it at the pace of speech, with silence behind it; when the last word had been said."""
    speech, silence = spoken(text).resampled(SPEECH_RATE_HZ), Audio.silence(1.5, SPEECH_RATE_HZ)
    size = round(FRAME_S * SPEECH_RATE_HZ)
    said_s, due_s = 0.0, time.monotonic()
    for audio in (speech, silence):
        for start in range(0, len(audio.samples), size):
            await client.socket.send(audio.samples[start : start + size].tobytes())
            due_s += FRAME_S
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
        said_s = said_s or time.monotonic()
    return said_s


async def tried(server: LiveServer) -> str:
    """How long the first sound took, or what went wrong."""
    async with ws_client(server) as client:
        saying = asyncio.create_task(says(client, QUESTION))
        try:
            heard = (await client.next("play_audio", 20))["text"]
        except TimeoutError:
            return "WRONG: no answer"
        sounded_s = time.monotonic()
        took_s = sounded_s - await saying
        understood = " ".join(message["text"] for message in client.all("asr.final"))
        if understood != QUESTION:
            return f"WRONG: understood as {understood!r}"
        while ANSWER not in heard.lower():
            try:
                heard += " " + (await client.next("play_audio", 5))["text"]
            except TimeoutError:
                return f"WRONG: answered by {heard!r}"
        if took_s > FIRST_SOUND_S:
            return f"WRONG: first sound after {took_s:.1f} s"
        await client.send("text", text=NEXT_QUESTION)
        while NEXT_ANSWER not in heard.lower():
            try:
                heard += " " + (await client.next("play_audio", 10))["text"]
            except TimeoutError:
                return f"WRONG: after the next question {heard!r} had been said"
        return f"{took_s:.1f} s"


@pytest.mark.timeout(200)
@pytest.mark.parametrize("stage", ["stt", "llm", "tts"])
async def test_the_bot_answers_soon_whatever_a_service_does(stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    services = [service for service, settings in SERVICES.items() if f"{stage}_engine" in settings]
    outcomes: dict[tuple[str, Fault], str] = {}

    async with AsyncExitStack() as running:
        reads = await running.enter_async_context(GttsSimulator(espeak_of))
        monkeypatch.setenv("HTTPS_PROXY", reads.url)

        async def try_service(service: str) -> None:
            async with simulated(service, reads) as (faults, found):
                settings = config.load(**OTHERS | SERVICES[service] | SOON_AGAIN | found)
                async with serving(build.build(settings), settings) as server:
                    for fault in Fault:
                        faults.always(planned(fault))
                        outcomes[service, fault] = await tried(server)
                        faults.always(None)

        async with asyncio.TaskGroup() as group:
            for service in services:
                group.create_task(try_service(service))

    table = "\n".join(f"{service:16} {fault:10} {outcome}" for (service, fault), outcome in outcomes.items())
    sys.stdout.write(f"{table}\n")
    assert len(outcomes) == len(services) * len(Fault)
    assert "WRONG" not in table, table
