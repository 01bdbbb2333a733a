"""Push-to-talk in a session on any transport: what counts of the user's sound, and which messages are refused."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import numpy as np
import pytest

from tests.support.engines import ScriptedAgent, ScriptedStt, ToneTts, loud, scripted
from tests.support.sessions import Running, running_session
from tests.support.waiting import until
from voicebot.audio.sound import FRAME_S, WIRE_RATE_HZ, Audio
from voicebot.dialogue.history import Role
from voicebot.session.messages import ConfigureMessage, MessageError, TalkMessage

ON = ConfigureMessage(type="configure", push_to_talk=True)
OFF = ConfigureMessage(type="configure", push_to_talk=False)
PRESS, LET_GO = TalkMessage(type="talk", pressed=True), TalkMessage(type="talk", pressed=False)
QUIET = Audio.silence(1.0, WIRE_RATE_HZ)
FAINT = Audio(np.ones(WIRE_RATE_HZ, np.int16), WIRE_RATE_HZ)
"""Keeps the resampler at work, which rests in digital silence and then holds back more of what comes next."""


@asynccontextmanager
async def talking(*heard: str) -> AsyncIterator[tuple[Running, ScriptedStt]]:
    """Runs a session that hears."""
    async with beginning(*heard) as (running, stt):
        hear(running, FAINT, loud(0.05))  # too short to be speech
        await until(lambda: running.session.speech_input.hears_speech)
        hear(running, QUIET)
        yield running, stt


@asynccontextmanager
async def beginning(*heard: str) -> AsyncIterator[tuple[Running, ScriptedStt]]:
    """Runs a session whose detector is made when the first sound comes."""
    scripts: list[Sequence[str]] = [[text] for text in heard]
    stt, agent = ScriptedStt(scripts=list(scripts)), ScriptedAgent(scripts=[["Fine."] for _ in heard])
    async with running_session(scripted(stt, agent, ToneTts())) as running:
        yield running, stt


def hear(running: Running, *sounds: Audio) -> None:
    """Hands the session sound as it comes from a microphone, in frames of 20 ms."""
    size = round(FRAME_S * WIRE_RATE_HZ)
    for sound in sounds:
        for start in range(0, len(sound.samples), size):
            running.session.receive_audio(Audio(sound.samples[start : start + size], WIRE_RATE_HZ))


async def until_said(running: Running, *texts: str) -> None:
    def said() -> list[str]:
        return [message.text for message in running.session.state.history if message.role is Role.USER]

    try:
        await until(lambda: said() == list(texts) and running.session.state.is_idle)
    except TimeoutError as error:
        error.add_note(str(running.session.state))
        raise


async def test_speech_counts_only_while_the_button_is_held_and_a_pause_does_not_end_it() -> None:
    async with talking("one two") as (running, stt):
        running.session.take(ON)
        hear(running, loud(1.0), QUIET)
        running.session.take(PRESS)
        hear(running, loud(0.5), QUIET, QUIET, loud(0.5))
        running.session.take(LET_GO)
        hear(running, QUIET, loud(1.0), QUIET)
        await until_said(running, "one two")
        (utterance,) = stt.heard
        is_loud = np.abs(utterance.samples) > 1000
        assert is_loud.mean() * utterance.duration_s == pytest.approx(1.0, abs=0.3)
        assert utterance.duration_s == pytest.approx(3.16, abs=0.1)


async def test_what_is_said_while_the_button_is_up_is_not_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    async with talking("one") as (running, _):
        recorded: list[Audio] = []
        monkeypatch.setattr(running.session, "record", recorded.append)
        running.session.take(ON)
        hear(running, QUIET, loud(1.0), QUIET)
        assert max(np.abs(audio.samples).max() for audio in recorded) == 0
        assert sum(audio.duration_s for audio in recorded) == pytest.approx(3)
        running.session.take(PRESS)
        hear(running, loud(1.0))
        assert max(np.abs(audio.samples).max() for audio in recorded) > 1000


async def test_a_press_that_comes_before_the_detector_is_ready_is_not_lost() -> None:
    async with beginning("one") as (running, stt):
        running.session.take(ON)
        hear(running, loud(1.0))
        running.session.take(PRESS)
        hear(running, loud(0.5))
        running.session.take(LET_GO)
        hear(running, QUIET)
        await until_said(running, "one")
        assert stt.heard[0].duration_s == pytest.approx(0.66, abs=0.05)


async def test_switching_push_to_talk_off_hears_again_even_if_the_button_was_held() -> None:
    async with talking("one", "two") as (running, _):
        running.session.take(ON)
        running.session.take(PRESS)
        hear(running, loud(0.5))
        running.session.take(OFF)
        hear(running, QUIET)
        await until_said(running, "one")
        hear(running, loud(0.5), QUIET)
        await until_said(running, "one", "two")


async def test_switching_push_to_talk_on_ends_what_is_being_said() -> None:
    async with talking("one") as (running, _):
        hear(running, loud(0.5))
        running.session.take(ON)
        hear(running, loud(1.0))
        await until_said(running, "one")


async def test_a_press_without_any_sound_from_the_client_ends_by_itself_after_it_is_let_go() -> None:
    async with beginning("", "one") as (running, _):
        running.session.take(ON)
        running.session.take(PRESS)
        running.session.take(LET_GO)
        await until(lambda: running.session.state.last_utterance == 1 and running.session.state.is_idle)
        running.session.take(PRESS)
        hear(running, loud(0.5))
        running.session.take(LET_GO)
        await until_said(running, "one")


async def test_a_press_without_push_to_talk_is_an_error_and_letting_go_is_none() -> None:
    async with talking() as (running, _):
        running.session.take(LET_GO)
        with pytest.raises(MessageError, match="talk: push-to-talk is off"):
            running.session.take(PRESS)
        running.session.take(ON)
        with pytest.raises(MessageError, match="persona: there is no 'pirate'"):
            running.session.take(ConfigureMessage(type="configure", persona="pirate", push_to_talk=False))
        running.session.take(PRESS)
        assert running.session.state.history == ()
