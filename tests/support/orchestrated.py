"""A running orchestrator with scripted engines. Its audio is played ten times as fast as in real time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from tests.support.engines import AtPause, ScriptedAgent, ScriptedStt, ToneTts, loud, scripted
from tests.support.signal import Signal
from tests.support.steps import Watcher
from voicebot.audio.sound import FRAME_S, Audio
from voicebot.dialogue.facts import ConversationEnded
from voicebot.dialogue.observer import SessionStep
from voicebot.dialogue.state import State
from voicebot.engines.errors import EngineError
from voicebot.engines.protocols import EndOfTurnModel
from voicebot.session.orchestrator import Orchestrator
from voicebot.settings import config

PATIENCE_S = 15.0
"""The time that a test waits for an event that takes milliseconds on an idle machine."""


class Session:
    """A running orchestrator whose audio frames are taken ten times as fast as in real time."""

    def __init__(
        self,
        stt: ScriptedStt,
        agent: ScriptedAgent,
        tts: ToneTts,
        end_of_turn_model: EndOfTurnModel | None = None,
        **options: Any,
    ) -> None:
        self.states: list[State] = []
        self._changed = Signal()
        settings = config.load(verdict_timeout_s=0.2, transcript_timeout_s=1, **options)
        self.ended: list[ConversationEnded] = []
        engines = replace(scripted(stt, agent, tts), end_of_turn=end_of_turn_model)
        self.bot = Orchestrator(engines, settings, Watcher(self._observe))
        self.agent, self.tts, self.stt = agent, tts, stt
        self.playing = asyncio.Event()
        self.playing.set()

    def _observe(self, step: SessionStep) -> None:
        self.ended += [fact for fact in step.facts if isinstance(fact, ConversationEnded)]
        if step.changed:
            self.states.append(step.state)
            self._changed.notify()

    async def until(self, condition: Callable[[State], object], what: str = "state") -> State:
        try:
            await self._changed.until(lambda: True if condition(self.bot.state) else None, PATIENCE_S, what)
        except TimeoutError as error:
            error.add_note(str(self.bot.state))
            raise
        return self.bot.state

    def say(self, duration_s: float = 0.4) -> None:
        """Lets the user say something and fall silent."""
        for audio in (loud(duration_s), Audio.silence(0.6, 48_000)):
            self.bot.speech_input.receive_audio(audio)

    async def play(self) -> None:
        while True:
            await self.playing.wait()
            self.bot.speech_input.note_playback(self.bot.player.next_frame())
            await asyncio.sleep(FRAME_S / 10)

    @property
    def history(self) -> list[str]:
        return [message.text for message in self.bot.state.history]


@asynccontextmanager
async def running(
    *,
    hears: Sequence[Sequence[str | AtPause | EngineError]] = (),
    thinks: Sequence[Sequence[str | asyncio.Event | Exception]] = (),
    tts: ToneTts | None = None,
    engines: tuple[ScriptedStt, ScriptedAgent, ToneTts] | None = None,
    **options: Any,
) -> AsyncIterator[Session]:
    before = asyncio.all_tasks()
    usual = ScriptedStt(scripts=list(hears)), ScriptedAgent(scripts=list(thinks)), tts or ToneTts()
    session = Session(*(engines or usual), **options)
    run = asyncio.create_task(session.bot.run())
    clock = asyncio.create_task(session.play())
    try:
        yield session
        assert not run.done(), "the session ended early"
    finally:
        for task in (run, clock):
            task.cancel()
        await asyncio.wait({run, clock})
    assert asyncio.all_tasks() == before, "the session left a task behind"
    assert session.stt.scripts == []
    assert session.agent.scripts == []


def idle(state: State) -> bool:
    return state.is_idle and bool(state.history)
