"""Scripted engines. Each test writes what they hear, think and say; a step that stays unused fails the test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from voicebot.audio.sound import Audio
from voicebot.dialogue.history import History
from voicebot.engines.errors import EngineError
from voicebot.engines.protocols import DEFAULT_STYLE, Engines, Pause, Style, Transcript


@dataclass
class _Scripted:
    name: str = "scripted"
    languages: frozenset[str] = frozenset({"en"})

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def probe(self, style: Style = DEFAULT_STYLE) -> None: ...


@dataclass(frozen=True)
class AtPause:
    """The answer of a scripted recogniser to a pause."""

    text: str


@dataclass
class ScriptedStt(_Scripted):
    """Plays the next script for each utterance: a partial transcript for each piece of audio, and the final one last.

    An `AtPause` waits for the next pause and answers it. An EngineError is raised.
    """

    scripts: list[Sequence[str | AtPause | EngineError]] = field(default_factory=list)
    heard: list[Audio] = field(default_factory=list)
    bytes_sent: int = 0

    @asynccontextmanager
    async def session(self, style: Style = DEFAULT_STYLE) -> AsyncIterator[ScriptedStt]:
        yield self

    async def transcribe(self, audio: AsyncIterable[Audio | Pause]) -> AsyncGenerator[Transcript]:
        script = self.scripts.pop(0)
        pieces: list[Audio] = []
        *steps, final = script
        async for piece in audio:
            if isinstance(piece, Audio):
                pieces.append(piece)
            answers_pause = bool(steps) and isinstance(steps[0], AtPause)
            if steps and answers_pause == isinstance(piece, Pause):
                pause = piece.number if isinstance(piece, Pause) else None
                yield Transcript(_text(steps.pop(0)), final=False, pause=pause)
        self.heard.append(Audio.joined(pieces, pieces[0].rate_hz))
        yield Transcript(_text(final), final=True)


def _text(step: str | AtPause | EngineError) -> str:
    if isinstance(step, EngineError):
        raise step
    return step.text if isinstance(step, AtPause) else step


@dataclass
class ScriptedAgent(_Scripted):
    """Plays the next script for each reply, token by token. It waits for an asyncio.Event and raises an exception."""

    scripts: list[Sequence[str | asyncio.Event | Exception]] = field(default_factory=list)
    asked: list[History] = field(default_factory=list)
    closed: int = 0

    async def reply(
        self, history: History, wanted: asyncio.Event, deadline: Any = None, **_: Any
    ) -> AsyncGenerator[str]:
        self.asked.append(history)
        script = self.scripts.pop(0)
        try:
            for step in script:
                if isinstance(step, Exception):
                    raise step
                if isinstance(step, asyncio.Event):
                    await step.wait()
                else:
                    await asyncio.sleep(0)
                    yield step
        finally:
            self.closed += 1


@dataclass
class ToneTts(_Scripted):
    """Speaks each text as a tone of `letter_s` seconds per letter, at 24 kHz.

    With `late_s` the tone comes in pieces of 100 ms, each `late_s` after the one before. Otherwise it comes at once, so
    that a client of `/ws` gets each sentence as one clip. Texts in `failing` fail halfway, texts in `silent` at once.
    """

    letter_s: float = 0.01
    late_s: float = 0.0
    failing: frozenset[str] = frozenset()
    silent: frozenset[str] = frozenset()
    said: list[str] = field(default_factory=list)
    closed: int = 0

    async def synthesize(self, text: str, style: Style = DEFAULT_STYLE) -> AsyncGenerator[Audio]:
        self.said.append(text)
        if text in self.silent:
            raise EngineError(self.name, "there is no voice")
        samples = np.sin(np.arange(round(len(text) * self.letter_s * 24_000)) * 0.1) * 8000
        tone = samples.astype(np.int16)
        try:
            for start in range(0, len(tone), 2400):
                if text in self.failing and start >= len(tone) // 2:
                    raise EngineError(self.name, "the voice broke")
                if self.late_s:
                    await asyncio.sleep(self.late_s)
                yield Audio(tone[start : start + 2400], 24_000)
        finally:
            self.closed += 1


class LoudnessVad:
    """Detects speech wherever the audio is loud."""

    window_samples = 512

    def probability(self, window: npt.NDArray[np.int16]) -> float:
        return 1.0 if np.abs(window).max() > 1000 else 0.0

    def reset(self) -> None: ...


def scripted(stt: ScriptedStt, agent: ScriptedAgent, tts: ToneTts) -> Engines:
    return Engines(stt=stt, agent=agent, tts=tts, vad_name="loudness", make_vad=LoudnessVad)


def loud(duration_s: float, rate_hz: int = 48_000) -> Audio:
    """Returns audio that `LoudnessVad` takes for speech."""
    time_s = np.arange(round(duration_s * rate_hz)) / rate_hz
    return Audio((np.sin(time_s * 2 * np.pi * 300) * 12_000).astype(np.int16), rate_hz)
