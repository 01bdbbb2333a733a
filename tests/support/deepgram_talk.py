"""Utterances for Deepgram's engines, in words that the simulator recognises exactly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from random import Random
from typing import Any

import numpy as np

from tests.simulators.deepgram import KEY, DeepgramSimulator, Disturbance
from tests.support.tone_words import WORDS, silence, spoken
from voicebot.audio.sound import Audio
from voicebot.engines.protocols import DEFAULT_STYLE, Pause, Style, Transcriber, Transcript
from voicebot.engines.stt.deepgram import ConnectionPolicy, Deepgram
from voicebot.engines.stt.deepgram.transcriber import DeepgramTranscriber

PIECE = 512


@asynccontextmanager
async def talking(
    simulator: DeepgramSimulator, key: str = KEY, style: Style = DEFAULT_STYLE, model: str = "nova-3", **policy: Any
) -> AsyncIterator[DeepgramTranscriber]:
    """Opens a session with the simulator. Further arguments are fields of the connection policy."""
    engine = Deepgram(key, base_url=simulator.url, model=model, policy=ConnectionPolicy(**policy))
    await engine.start()
    try:
        async with engine.session(style) as transcriber:
            yield transcriber
    finally:
        await engine.close()


Part = str | float | Pause


async def sound(*parts: Part) -> AsyncGenerator[Audio | Pause]:
    """Yields words, silences in seconds and pauses, in pieces of 32 ms, as fast as they are taken."""
    for part in parts:
        if isinstance(part, Pause):
            yield part
            continue
        samples = spoken(part) if isinstance(part, str) else silence(part)
        for start in range(0, len(samples), PIECE):
            yield Audio(samples[start : start + PIECE], 16_000)
            await asyncio.sleep(0)


async def click() -> AsyncGenerator[Audio]:
    """Yields a loud sound that is no word."""
    yield Audio(np.concatenate([silence(0.3), spoken("the")[:600], silence(0.3)]), 16_000)


async def until(condition: Callable[[], bool]) -> None:
    """Waits for a state that the simulator does not announce."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 (there is no event for it)
            await asyncio.sleep(0.005)


def utterance(text: str) -> tuple[Part, ...]:
    """Returns an utterance as the bot cuts it: silence, the text, a pause, and silence until the end."""
    return 0.3, text, 0.2, Pause(1), 0.4


def words(random: Random, count: int) -> str:
    return " ".join(random.choice(WORDS) for _ in range(count))


async def heard(transcriber: Transcriber, audio: AsyncIterable[Audio | Pause]) -> list[Transcript]:
    """Returns all transcripts of the sound."""
    async with aclosing(transcriber.transcribe(audio)) as transcripts:
        return [transcript async for transcript in transcripts if isinstance(transcript, Transcript)]


async def final(transcriber: Transcriber, audio: AsyncIterable[Audio | Pause]) -> str:
    *others, last = await heard(transcriber, audio)
    assert last.final
    assert not any(other.final for other in others)
    return last.text


async def answer(transcriber: Transcriber, audio: AsyncIterable[Audio | Pause], pause: int) -> Transcript:
    """Returns the answer to a pause, and then abandons the utterance before its end, as the orchestrator does."""

    async def endless() -> AsyncGenerator[Audio | Pause]:
        async for item in audio:
            yield item
        await asyncio.Event().wait()

    async with aclosing(transcriber.transcribe(endless())) as transcripts:
        async for transcript in transcripts:
            if isinstance(transcript, Transcript) and transcript.pause == pause:
                return transcript
    raise AssertionError(f"pause {pause} got no answer")


def kills(random: Random, messages: int) -> dict[int, tuple[Disturbance, bool]]:
    """Returns ten kills. Only one is a silence, because two silences in one utterance count as a hanging service."""
    kinds = (Disturbance.ERROR, Disturbance.GOODBYE, Disturbance.EOF, Disturbance.RESET)
    how = [Disturbance.SILENCE, *(random.choice(kinds) for _ in range(9))]
    places = random.sample(range(1, messages), len(how))
    return {place: (each, random.random() < 0.5) for place, each in zip(places, how, strict=True)}


def speech(random: Random) -> tuple[str, list[Part]]:
    """Returns words with pauses between them and one at the end."""
    parts: list[Part] = [0.3]
    said: list[str] = []
    for pause in range(1, random.randint(2, 4)):
        said.append(words(random, random.randint(1, 8)))
        parts += [said[-1], 0.2, Pause(pause), 0.1]
    return " ".join(said), [*parts, 0.3]
