"""The end of a session on any transport, and the effect of faults on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from tests.support.engines import ScriptedAgent, ScriptedStt, ToneTts, scripted
from tests.support.sessions import running_session
from voicebot.access.close_codes import HUNG_UP, CloseCode
from voicebot.audio.sound import FRAME_S, WIRE_RATE_HZ, Audio
from voicebot.dialogue.history import History
from voicebot.session import session as module
from voicebot.session.messages import ConnectedMessage, TextMessage


def fails(*_: object, **__: object) -> None:
    raise ValueError("a fault")


class UncancellableAgent(ScriptedAgent):
    """Does not stop when it is cancelled, until `released` is set."""

    released: asyncio.Event
    asked_s: asyncio.Event

    async def reply(
        self, history: History, wanted: asyncio.Event, deadline: Any = None, **_: Any
    ) -> AsyncGenerator[str]:
        self.asked_s.set()
        while not self.released.is_set():
            try:
                await self.released.wait()
            except asyncio.CancelledError:
                continue
        yield "Done."


async def test_a_session_ends_although_an_engine_does_not_stop(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "ENDING_S", 0.2)
    agent = UncancellableAgent()
    agent.released, agent.asked_s = asyncio.Event(), asyncio.Event()
    async with running_session(scripted(ScriptedStt(), agent, ToneTts())) as running:
        running.session.take(TextMessage(type="text", text="hello"))
        await agent.asked_s.wait()
        running.session.leave(HUNG_UP)
        assert await asyncio.wait_for(running.closed, 5) is HUNG_UP
        assert running.session.over.is_set()
        agent.released.set()
    assert "session does not stop; the session ends without it" in caplog.text


@pytest.mark.parametrize("call", ["speech_input.receive_audio", "player.next_frame"])
async def test_a_session_that_can_hear_or_play_nothing_for_a_second_ends_with_a_fault(
    call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_session(scripted(ScriptedStt(), ScriptedAgent(), ToneTts())) as running:
        part, method = call.split(".")
        monkeypatch.setattr(getattr(running.session, part), method, fails)
        for _ in range(module.FAULTS_IN_A_ROW):
            running.session.receive_audio(Audio.silence(FRAME_S, WIRE_RATE_HZ))
            running.session.next_frame()
        assert (await asyncio.wait_for(running.closed, 5)).code is CloseCode.FAULT


async def test_a_session_outlasts_faults_with_frames_between_them_that_are_well() -> None:
    async with running_session(scripted(ScriptedStt(), ScriptedAgent(), ToneTts())) as running:
        await running.connection.changed.until(lambda: len(running.connection.played) or None, 10, "first frame")
        for _ in range(3):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(running.session.speech_input, "receive_audio", fails)
                for _ in range(module.FAULTS_IN_A_ROW - 1):
                    running.session.receive_audio(Audio.silence(FRAME_S, WIRE_RATE_HZ))
            running.session.receive_audio(Audio.silence(FRAME_S, WIRE_RATE_HZ))
        assert not running.session.leaving
        assert isinstance(running.connection.sent[0], ConnectedMessage)
