"""Simulates Deepgram, Groq and ElevenLabs in a process of their own, on real sockets and without any delay.

The process has the control routes of the bots under test, because the words are recognised here. `GET /settings`
returns the settings with which the app uses the services.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import math
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack

import numpy as np
from fastapi import FastAPI

from tests.benchmarks import control
from tests.benchmarks.oracle import Oracle
from tests.simulators import deepgram, elevenlabs
from tests.simulators.brain import Answer, ChatMessage
from tests.simulators.chat import ChatSimulator
from tests.simulators.deepgram import DeepgramSimulator, HeardWord, Setting
from tests.simulators.elevenlabs import ElevenLabsSimulator
from tests.simulators.voices import tone_of
from voicebot.audio.sound import Audio, Samples

ANSWER = Answer("I am on it now and it will all be done soon. Is there anything else?")
"""The stub answer. Its first sentence has twelve words, as that of the stub agent has."""

SOUND = tone_of("any letter")
"""Sound of 0.6 s that is made beforehand and stands for any sentence."""

LOUD = 500
"""A sample above this, -36 dBFS, counts as speech."""


class OracleRecogniser:
    """Returns the words that the client has announced, once as much speech has arrived.

    The words are spread evenly over the speech. Words that were heard to the end are not returned again.
    """

    def __init__(self, oracle: Oracle) -> None:
        self._oracle = oracle
        self._heard = 0
        self._loud: list[tuple[int, int]] = []
        """The first and last loud sample of each piece of audio that has one."""

    def receive_audio(self, samples: Samples) -> None:
        loud = np.flatnonzero(np.abs(samples) > LOUD)
        if len(loud):
            self._loud.append((self._heard + int(loud[0]), self._heard + int(loud[-1]) + 1))
        self._heard += len(samples)

    async def words(self, since: int, *, all_heard: bool) -> list[HeardWord]:
        speech = [(start, end) for start, end in self._loud if start >= since]
        if not speech:
            return []
        utterance, now_s = self._oracle.begin(), time.monotonic()
        words = (utterance.end(now_s) if all_heard else utterance.text(now_s)).split()
        places = np.linspace(speech[0][0], speech[-1][1], len(words) + 1).astype(int).tolist()
        return [HeardWord(*word) for word in zip(words, places[:-1], places[1:], strict=True)]


def think(_conversation: Sequence[ChatMessage], _tools: Sequence[str]) -> Answer:
    return ANSWER


def speak(_text: str) -> Audio:
    return SOUND


async def serve() -> None:
    stage = control.Stage()
    # No audio becomes final before the bot asks for it, or the recogniser would return its words once more.
    setting = Setting(make_recogniser=lambda: OracleRecogniser(stage.oracle), segment_s=math.inf)
    async with AsyncExitStack() as running:
        hears = await running.enter_async_context(DeepgramSimulator(setting))
        thinks = await running.enter_async_context(ChatSimulator(brain=think))
        speaks = await running.enter_async_context(ElevenLabsSimulator(speak))
        app = FastAPI()
        control.routes(app, stage)

        @app.get("/settings")
        async def settings() -> dict[str, str]:
            return {
                "stt_engine": "deepgram",
                "deepgram_api_key": deepgram.KEY,
                "deepgram_base_url": hears.url,
                "llm_engine": "groq",
                "groq_api_key": "any-key-will-do",
                "groq_base_url": thinks.url,
                "tts_engine": "elevenlabs",
                "elevenlabs_api_key": elevenlabs.KEY,
                "elevenlabs_base_url": speaks.url,
                "no_proxy": "127.0.0.1",
            }

        gc.collect()
        gc.freeze()
        await control.serve(app)


def main() -> None:
    logging.basicConfig(level=logging.WARNING)
    asyncio.run(serve())


if __name__ == "__main__":
    main()
