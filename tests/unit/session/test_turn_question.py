"""The question to the end-of-turn model at each pause: what it hears, and when its answer counts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from tests.support.engines import LoudnessVad, loud
from tests.support.read_mailbox import ReadMailbox
from tests.support.signal import Signal
from tests.support.turn_models import ScriptedTurnModel
from voicebot.audio.sound import SPEECH_RATE_HZ, Audio
from voicebot.dialogue.endpointing import EndpointRules
from voicebot.dialogue.events import Input, SpeechEnded, SpeechPaused, TurnModelAnswered
from voicebot.engines.protocols import EndOfTurnModel
from voicebot.session.speech_input import SpeechInput
from voicebot.session.turn_question import HEARD_S


class Microphone:
    """A session's speech input, to which a test plays audio, and the inputs that it posts."""

    def __init__(self, model: EndOfTurnModel) -> None:
        self.posted: list[Input] = []
        self.changed = Signal()
        self.speech_input = SpeechInput(ReadMailbox(self._post), EndpointRules(), model)

    def _post(self, input: Input) -> None:
        self.posted.append(input)
        self.changed.notify()

    @property
    def answers(self) -> list[TurnModelAnswered]:
        return [each for each in self.posted if isinstance(each, TurnModelAnswered)]

    def say(self, duration_s: float) -> None:
        self.speech_input.receive_audio(loud(duration_s, SPEECH_RATE_HZ))

    def fall_silent(self, duration_s: float) -> None:
        self.speech_input.receive_audio(Audio.silence(duration_s, SPEECH_RATE_HZ))

    async def until(self, kind: type[Input], count: int = 1) -> None:
        await self.changed.until(
            lambda: True if sum(isinstance(each, kind) for each in self.posted) >= count else None, 10, kind.__name__
        )


@asynccontextmanager
async def microphone(model: EndOfTurnModel) -> AsyncIterator[Microphone]:
    running = Microphone(model)
    running.fall_silent(0.5)
    await running.speech_input.listen(LoudnessVad)
    yield running
    await running.speech_input.aclose()


async def test_the_model_hears_the_utterance_and_the_silence_so_far_and_its_answer_is_posted() -> None:
    model = ScriptedTurnModel([0.9])
    async with microphone(model) as user:
        user.say(1.0)
        user.fall_silent(0.16)
        await user.until(TurnModelAnswered)
        assert user.answers == [TurnModelAnswered(1, 1, 0.9)]
        (heard,) = model.heard
        spoken = np.flatnonzero(np.abs(heard) > 1000)
        assert len(spoken) == pytest.approx(1.0 * SPEECH_RATE_HZ, rel=0.1)
        assert (len(heard) - 1 - spoken[-1]) / SPEECH_RATE_HZ == pytest.approx(0.096, abs=0.033)
        assert spoken[0] / SPEECH_RATE_HZ == pytest.approx(0.3, abs=0.033), "the audio before the speech belongs to it"


async def test_the_model_hears_the_last_8_s_only() -> None:
    model = ScriptedTurnModel([0.9])
    async with microphone(model) as user:
        user.say(9.0)
        user.fall_silent(0.16)
        await user.until(TurnModelAnswered)
        assert len(model.heard[0]) == HEARD_S * SPEECH_RATE_HZ
        assert np.abs(model.heard[0][: SPEECH_RATE_HZ // 10]).max() > 1000


async def test_the_question_is_dropped_when_the_user_speaks_on_and_the_next_pause_asks_anew() -> None:
    model = ScriptedTurnModel([0.2])
    model.let.clear()
    async with microphone(model) as user:
        user.say(0.5)
        user.fall_silent(0.16)
        await asyncio.sleep(0)
        assert len(model.heard) == 1
        user.say(0.5)
        user.fall_silent(0.16)
        await asyncio.sleep(0)
        model.let.set()
        await user.until(TurnModelAnswered)
        assert user.answers == [TurnModelAnswered(1, 2, 0.2)]
        assert model.dropped == 1
        assert len(model.heard[1]) > len(model.heard[0]), "the second question is about the whole utterance"


async def test_the_question_is_dropped_when_the_turn_ends_without_its_answer() -> None:
    model = ScriptedTurnModel()
    model.let.clear()
    async with microphone(model) as user:
        user.say(0.5)
        user.fall_silent(0.16)
        await asyncio.sleep(0)
        user.fall_silent(1.0)
        await user.until(SpeechEnded)
        await asyncio.sleep(0)
        assert model.dropped == 1
        assert user.answers == []


async def test_without_an_answer_nothing_is_posted_and_the_turn_ends_as_usual() -> None:
    model = ScriptedTurnModel([None])
    async with microphone(model) as user:
        user.say(0.5)
        user.fall_silent(0.16)
        await asyncio.sleep(0)
        user.fall_silent(1.0)
        await user.until(SpeechEnded)
        assert user.answers == []
        assert len(model.heard) == 1


async def test_closing_the_session_drops_the_question() -> None:
    model = ScriptedTurnModel()
    model.let.clear()
    before = asyncio.all_tasks()
    async with microphone(model) as user:
        user.say(0.5)
        user.fall_silent(0.16)
        await user.until(SpeechPaused)
        await asyncio.sleep(0)
    assert model.dropped == 1
    assert asyncio.all_tasks() == before


async def test_two_sessions_get_the_answers_to_their_own_questions() -> None:
    model = ScriptedTurnModel([0.1, 0.8])
    async with microphone(model) as first, microphone(model) as second:
        first.say(0.5)
        second.say(0.7)
        for user in (first, second):
            user.fall_silent(0.16)
            await user.until(TurnModelAnswered)
        assert first.answers == [TurnModelAnswered(1, 1, 0.1)]
        assert second.answers == [TurnModelAnswered(1, 1, 0.8)]


async def test_a_whole_utterance_that_a_client_uploads_is_no_question() -> None:
    model = cast(EndOfTurnModel, SimpleNamespace())  # any use of it would fail
    user = Microphone(model)
    user.speech_input.upload(loud(0.5, SPEECH_RATE_HZ))
    await user.until(SpeechEnded)
    await user.speech_input.aclose()
