"""How straight the ways of sound and of words are: the calls between our functions, counted while they happen.

A way has several parts where what is passed on waits in a queue, or is returned. Engines' own functions do not count.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from tests.support.call_paths import CallPaths
from tests.support.engines import LoudnessVad, ScriptedAgent, ScriptedStt, ToneTts, loud
from tests.support.signal import Signal
from voicebot.audio.sound import WIRE_RATE_HZ, Audio, Samples
from voicebot.bootstrap import application as bootstrap
from voicebot.engines.base import Engines
from voicebot.engines.chain import FallbackRules
from voicebot.engines.fallback import AgentChain, SpeechToTextChain, TextToSpeechChain
from voicebot.session.messages import ServerMessage
from voicebot.session.session import Session
from voicebot.settings import config
from voicebot.storage.conversation import Conversation

RULES = FallbackRules(rest_s=60)

MICROPHONE = (
    ("Session.hear", "Listener._hand_on"),
    ("Ears._listen", "ReplayBuffer.put"),
    ("Attempts._hear", "ReplayBuffer.__aiter__"),
)
"""From a frame of the microphone to the recogniser."""

TOKEN = (
    ("ReplyMaker._think", "OutputChain._first_of"),
    ("ReplyMaker._think", "SentenceQueue.put"),
    ("ReplyMaker._speak", "SentenceQueue.get"),
    ("ReplyMaker._speak", "OutputChain._first_of"),
    ("ReplyMaker._synthesize", "Player.write"),
    ("Session.next_frame", "Clip.take"),
)
"""From a token of the model to a frame that is played."""


@dataclass
class Connection:
    """Plays as fast as it is asked to."""

    session: Session | None = None
    played: list[Samples] = field(default_factory=list)
    changed: Signal = field(default_factory=Signal)

    def send(self, message: ServerMessage) -> None: ...

    def tick(self) -> None:
        assert self.session is not None
        self.played.append(self.session.next_frame())
        self.changed.notify()

    async def cut(self) -> None: ...


@pytest.fixture(scope="module")
def paths() -> CallPaths:
    """Of one spoken question and its answer."""
    measured = CallPaths()
    asyncio.run(_talk(measured))
    return measured


async def _talk(measured: CallPaths) -> None:
    engines = Engines(
        SpeechToTextChain([ScriptedStt(scripts=[["what", "what time is it"]])], RULES),
        AgentChain([ScriptedAgent(scripts=[["It is ", "ten. ", "Is that all?"]])], RULES),
        TextToSpeechChain([ToneTts()], RULES),
        "loudness",
        LoudnessVad,
    )
    await engines.start()
    application = bootstrap.application(config.load(keep_conversations=False), engines)
    connection = Connection()
    ticket = application.services.admission.enter("192.0.2.1")
    session = connection.session = Session("ws", application.services, ticket, Conversation(), connection)
    with measured.measured():
        running = asyncio.create_task(session.run())
        for audio in (loud(0.6, WIRE_RATE_HZ), Audio.silence(1.2, WIRE_RATE_HZ)):
            for start in range(0, len(audio.samples), 960):
                session.hear(Audio(audio.samples[start : start + 960], WIRE_RATE_HZ))
                await asyncio.sleep(0)
        await connection.changed.until(
            lambda: True if len(session.state.history) == 2 and session.state.is_idle else None, 20, "an answer"
        )
    running.cancel()
    await asyncio.wait([running])
    await application.close()
    await engines.close()


def calls(paths: CallPaths, way: tuple[tuple[str, str], ...]) -> int:
    return sum(len(paths.between(start, end)) - 1 for start, end in way)


def test_a_frame_of_the_microphone_reaches_the_recogniser_in_at_most_fourteen_calls(paths: CallPaths) -> None:
    assert calls(paths, MICROPHONE) + 1 <= 14, "with the transport's call of `Session.hear`"


def test_a_token_reaches_a_played_frame_in_at_most_twelve_calls(paths: CallPaths) -> None:
    assert calls(paths, TOKEN) + 1 <= 12, "with the transport's call of `Session.next_frame`"
