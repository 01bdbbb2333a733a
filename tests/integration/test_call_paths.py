"""Counts the calls between our functions on the paths of audio and of words, while a conversation runs.

A path has several parts where data waits in a queue or is returned. The engines' own functions do not count.
"""

from __future__ import annotations

import asyncio

import pytest

from tests.support.call_paths import CallPaths
from tests.support.engines import LoudnessVad, ScriptedAgent, ScriptedStt, ToneTts, loud
from tests.support.sessions import running_session
from voicebot.audio.sound import FRAME_SAMPLES, WIRE_RATE_HZ, Audio
from voicebot.dialogue.state import State
from voicebot.engines.fallback import AgentFallbackGroup, SpeechToTextFallbackGroup, TextToSpeechFallbackGroup
from voicebot.engines.fallback_group import FallbackRules
from voicebot.engines.protocols import Engines

RULES = FallbackRules(rest_s=60)

MICROPHONE = (
    ("Session.receive_audio", "UtteranceSegmenter._add_sound"),
    ("SpeechInput._segment", "ReplayBuffer.put"),
    ("Attempts._run", "ReplayBuffer.__aiter__"),
)
"""The path from a frame of the microphone to the recogniser."""

TOKEN = (
    ("ReplyMaker._think", "OutputFallbackGroup._first_of"),
    ("ReplyMaker._think", "SentenceQueue.put"),
    ("ReplyMaker._speak", "SentenceQueue.get"),
    ("ReplyMaker._speak", "OutputFallbackGroup._first_of"),
    ("ReplyMaker._synthesize", "Player.write"),
    ("Session.next_frame", "SentenceAudio.take"),
)
"""The path from a token of the model to a frame that is played."""


@pytest.fixture(scope="module")
def paths() -> CallPaths:
    """Returns the paths of one spoken question and its answer."""
    measured = CallPaths()
    asyncio.run(_talk(measured))
    return measured


async def _talk(measured: CallPaths) -> None:
    engines = Engines(
        SpeechToTextFallbackGroup([ScriptedStt(scripts=[["what", "what time is it"]])], RULES),
        AgentFallbackGroup([ScriptedAgent(scripts=[["It is ", "ten. ", "Is that all?"]])], RULES),
        TextToSpeechFallbackGroup([ToneTts()], RULES),
        "loudness",
        LoudnessVad,
    )
    with measured.measured():
        async with running_session(engines) as running:
            for audio in (loud(0.6, WIRE_RATE_HZ), Audio.silence(1.2, WIRE_RATE_HZ)):
                for start in range(0, len(audio.samples), FRAME_SAMPLES):
                    running.session.receive_audio(Audio(audio.samples[start : start + FRAME_SAMPLES], WIRE_RATE_HZ))
                    await asyncio.sleep(0)
            await running.connection.changed.until(lambda: _is_answered(running.session.state) or None, 20, "answer")


def _is_answered(state: State) -> bool:
    return len(state.history) == 2 and state.is_idle


def calls(paths: CallPaths, path: tuple[tuple[str, str], ...]) -> int:
    return sum(len(paths.between(start, end)) - 1 for start, end in path)


def test_a_frame_of_the_microphone_reaches_the_recogniser_in_at_most_fourteen_calls(paths: CallPaths) -> None:
    assert calls(paths, MICROPHONE) + 1 <= 14, "with the transport's call of `Session.receive_audio`"


def test_a_token_reaches_a_played_frame_in_at_most_twelve_calls(paths: CallPaths) -> None:
    assert calls(paths, TOKEN) + 1 <= 12, "including the transport's call of `Session.next_frame`"
