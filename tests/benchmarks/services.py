"""Simulates Deepgram, Groq and ElevenLabs in a process of their own, on real sockets.

By default they answer without any delay, and the process has the control routes of the bots under test, because the
words are recognised here. With `--crowd` all users ask the same question, the services have the delays of the stub
engines, and the answer is as long as the stub agent's "talk". `GET /settings` returns the settings with which the app
uses the services.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import math
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import cache
from itertools import pairwise

import numpy as np
from fastapi import FastAPI

from tests.benchmarks import control
from tests.benchmarks.oracle import CROWD_QUESTION, LETTERS_PER_S, NO_DELAYS, Delays, Oracle, tokens
from tests.simulators import deepgram, elevenlabs
from tests.simulators.brain import Answer, ChatMessage
from tests.simulators.chat import ChatSimulator
from tests.simulators.deepgram import DeepgramSimulator, HeardWord, Setting
from tests.simulators.elevenlabs import ElevenLabsSimulator
from tests.simulators.http_wire import Exchange
from tests.simulators.voices import tone_of
from tests.support.position_voice import RATE_HZ, voice
from voicebot.audio.sound import SPEECH_RATE_HZ, Audio, Samples

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


BETWEEN_QUESTIONS_S = 0.3
"""Loud sound after this much silence begins another question: each utterance has a pre-roll of this length."""


class CrowdRecogniser:
    """Returns the words of `CROWD_QUESTION` at their times after each onset of speech."""

    def __init__(self) -> None:
        self._heard = 0
        self._loud_to = -SPEECH_RATE_HZ
        self._words: list[HeardWord] = []

    def receive_audio(self, samples: Samples) -> None:
        loud = np.flatnonzero(np.abs(samples) > LOUD)
        if len(loud):
            onset = self._heard + int(loud[0])
            if onset - self._loud_to > BETWEEN_QUESTIONS_S * SPEECH_RATE_HZ:
                ends = [onset + round(ends_s * SPEECH_RATE_HZ) for _, ends_s in CROWD_QUESTION]
                texts = [text for text, _ in CROWD_QUESTION]
                self._words = [
                    HeardWord(text, *span) for text, span in zip(texts, pairwise([onset, *ends]), strict=True)
                ]
            self._loud_to = self._heard + int(loud[-1])
        self._heard += len(samples)

    async def words(self, since: int, *, all_heard: bool) -> list[HeardWord]:
        return [word for word in self._words if word.start >= since and word.end <= self._heard]


class DelayedElevenLabs(ElevenLabsSimulator):
    """Answers each request `delay_s` after it has come."""

    delay_s = 0.0

    async def answer(self, exchange: Exchange) -> None:
        await asyncio.sleep(self.delay_s)
        await super().answer(exchange)


def think(_conversation: Sequence[ChatMessage], _tools: Sequence[str]) -> Answer:
    return ANSWER


def speak(_text: str) -> Audio:
    return SOUND


def talk(_conversation: Sequence[ChatMessage], _tools: Sequence[str]) -> Answer:
    return Answer("".join(tokens("talk", 0)))


@cache
def speak_position_voice(text: str) -> Audio:
    """Returns as much of the position voice as the stub engine speaks for this text, at ElevenLabs' rate."""
    return Audio(voice(0, round(len(text) / LETTERS_PER_S * RATE_HZ)), RATE_HZ).resampled(24_000)


async def serve(*, crowd: bool) -> None:
    stage = control.Stage()
    delays = Delays() if crowd else NO_DELAYS
    # No audio becomes final before the bot asks for it, or the recogniser would return its words once more.
    setting = Setting(
        make_recogniser=CrowdRecogniser if crowd else lambda: OracleRecogniser(stage.oracle),
        delay_s=delays.stt_s,
        segment_s=math.inf,
    )
    chat = ChatSimulator(brain=talk if crowd else think, first_token_s=delays.first_token_s, token_s=delays.token_s)
    async with AsyncExitStack() as running:
        hears = await running.enter_async_context(DeepgramSimulator(setting))
        thinks = await running.enter_async_context(chat)
        speaks = await running.enter_async_context(DelayedElevenLabs(speak_position_voice if crowd else speak))
        speaks.delay_s = delays.tts_s
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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--crowd", action="store_true")
    logging.basicConfig(level=logging.WARNING)
    asyncio.run(serve(crowd=parser.parse_args().crowd))


if __name__ == "__main__":
    main()
