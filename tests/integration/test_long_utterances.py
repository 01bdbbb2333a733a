"""An utterance that goes on without a pause is cut into parts, and no word is lost at the cuts."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace

import numpy as np
import pytest

from tests.simulators.deepgram import KEY, DeepgramSimulator, Setting
from tests.support import tone_words
from tests.support.engines import LoudnessVad, ScriptedAgent, ToneTts
from tests.support.signal import Signal
from tests.support.steps import Watcher
from voicebot.audio.sound import SPEECH_RATE_HZ, Audio
from voicebot.dialogue.endpointing import EndpointRules
from voicebot.dialogue.events import FinalTranscript
from voicebot.dialogue.history import Role
from voicebot.dialogue.observer import SessionStep
from voicebot.dialogue.state import State
from voicebot.engines.fallback import SpeechToTextFallbackGroup
from voicebot.engines.fallback_group import FallbackRules
from voicebot.engines.protocols import Engines
from voicebot.engines.stt.deepgram import Deepgram
from voicebot.session.orchestrator import Orchestrator
from voicebot.settings import config
from voicebot.settings.config import Settings

LONGEST_S = 2.0
SPEED = 2.0
"""Speech is heard this many times faster than it is spoken, to save time."""


@pytest.mark.parametrize("late_s", [0.0, 0.5], ids=["words at once", "words late"])
async def test_an_utterance_cut_into_parts_loses_no_word_and_gets_one_reply(
    monkeypatch: pytest.MonkeyPatch, late_s: float
) -> None:
    """Five seconds of speech are cut every two. The words of a part come before the next part begins, or after."""
    usual = vars(Settings)["endpoint_rules"].fget
    rules: EndpointRules = replace(usual(config.load()), longest_s=LONGEST_S)
    monkeypatch.setattr(Settings, "endpoint_rules", property(lambda _: rules))
    words = random.Random(5).choices(tone_words.WORDS, k=29)
    finals: list[str] = []
    changed, states = Signal(), list[State]()

    def observe(step: SessionStep) -> None:
        if isinstance(step.input, FinalTranscript):
            finals.append(step.input.text)
        states.append(step.state)
        changed.notify()

    async with DeepgramSimulator(Setting(delay_s=late_s)) as deepgram:
        stt = SpeechToTextFallbackGroup([Deepgram(KEY, base_url=deepgram.url, model="nova-3")], FallbackRules())
        agent = ScriptedAgent(scripts=[["All right."]])
        engines = Engines(stt=stt, agent=agent, tts=ToneTts(), vad_name="loudness", make_vad=LoudnessVad)
        await stt.start()
        bot = Orchestrator(engines, config.load(preemptive_replies=False), Watcher(observe))
        running = asyncio.create_task(bot.run())

        async def speak() -> None:
            sound = np.concatenate([tone_words.spoken(" ".join(words)), tone_words.silence(1.6)])
            for start in range(0, len(sound), 320):
                bot.speech_input.receive_audio(Audio(sound[start : start + 320], SPEECH_RATE_HZ))
                bot.speech_input.note_playback(bot.player.next_frame())
                await asyncio.sleep(0.02 / SPEED)
            while True:
                bot.speech_input.note_playback(bot.player.next_frame())
                await asyncio.sleep(0.02 / SPEED)

        speaking = asyncio.create_task(speak())
        await changed.until(lambda: True if _answered(states) else None, 30, "answer")
        for task in (running, speaking):
            task.cancel()
        await asyncio.wait([running, speaking])
        await stt.close()
    assert len(finals) >= 2, "the utterance was cut twice; the answer need not wait for the final of its last part"
    assert [message.text for message in states[-1].history if message.role is Role.USER] == [" ".join(words)]
    assert len(agent.asked) == 1, "the utterance is answered once, when the user has finished"


def _answered(states: list[State]) -> bool:
    return bool(states) and len(states[-1].history) == 2 and states[-1].is_idle
