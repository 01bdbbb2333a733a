"""An engine that follows a script, for tests of fallback groups."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from voicebot.audio.sound import Audio
from voicebot.dialogue.history import History, Message, Role
from voicebot.engines.errors import EngineError, Fault
from voicebot.engines.fallback_group import FallbackRules
from voicebot.engines.protocols import DEFAULT_STYLE, Pause, Style, Transcript

HELLO: History = (Message(Role.USER, "hello"),)


QUICK = FallbackRules(retries=0, first_output_s=0.2, probe_s=0.2, rest_s=0.1)


HANG = "hang"


Script = list[str | EngineError]


def failure(name: str, fault: Fault = Fault.SERVER, **more: Any) -> EngineError:
    return EngineError(name, "it broke", fault=fault, **more)


@dataclass
class Fake:
    """Follows the next script for each request: outputs, an error to raise, or HANG. The last script repeats."""

    name: str
    scripts: list[Script]
    languages: frozenset[str] = frozenset({"en"})
    cannot_start: EngineError | None = None
    probe_error: EngineError | str | None = None
    """The error that a probe raises. With HANG the probe never ends."""
    asked: int = 0
    probes: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    open: int = 0
    heard: list[list[Audio | Pause]] = field(default_factory=list)
    sessions: int = 0
    keywords: dict[str, Any] = field(default_factory=dict)
    """The keyword arguments of the last request to the agent, except for its style."""
    styles: list[Style] = field(default_factory=list)
    """The styles of all replies, sentences and sessions, in order."""
    probed: list[Style] = field(default_factory=list)
    """The styles of all probes."""

    async def start(self) -> None:
        if self.cannot_start is not None:
            raise self.cannot_start

    async def close(self) -> None: ...

    async def probe(self, style: Style = DEFAULT_STYLE) -> None:
        self.probed.append(style)
        self.probes.release()
        if self.probe_error == HANG:
            await asyncio.Event().wait()
        if isinstance(self.probe_error, EngineError):
            raise self.probe_error

    def _next(self) -> Script:
        self.asked += 1
        return self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]

    async def _play(self, script: Script) -> AsyncGenerator[str]:
        self.open += 1
        try:
            for step in script:
                if isinstance(step, EngineError):
                    raise step
                if step == HANG:
                    await asyncio.Event().wait()
                yield step
        finally:
            self.open -= 1

    async def reply(
        self,
        history: History,
        wanted: asyncio.Event,
        deadline: Any = None,
        *,
        style: Style = DEFAULT_STYLE,
        **keywords: Any,
    ) -> AsyncGenerator[str]:
        self.keywords = keywords
        self.styles.append(style)
        async for text in self._play(self._next()):
            yield text

    async def synthesize(self, text: str, style: Style = DEFAULT_STYLE) -> AsyncGenerator[Audio]:
        self.styles.append(style)
        async for _ in self._play(self._next()):
            yield Audio(np.zeros(160, np.int16), 16_000)

    # Speech to text

    bytes_sent: int = 0

    @asynccontextmanager
    async def session(self, style: Style = DEFAULT_STYLE) -> AsyncIterator[Fake]:
        self.styles.append(style)
        self.sessions += 1
        try:
            yield self
        finally:
            self.sessions -= 1

    async def transcribe(self, audio: AsyncIterable[Audio | Pause]) -> AsyncGenerator[Transcript]:
        script = self._next()
        heard: list[Audio | Pause] = []
        self.heard.append(heard)
        *partials, last = script
        self.open += 1
        try:
            async for item in audio:
                heard.append(item)
                if isinstance(item, Audio):
                    self.bytes_sent += item.samples.nbytes
                if partials:
                    step = partials.pop(0)
                    if isinstance(step, EngineError):
                        raise step
                    yield Transcript(step, final=False)
            if isinstance(last, EngineError):
                raise last
            if last == HANG:
                await asyncio.Event().wait()
            yield Transcript(last, final=True)
        finally:
            self.open -= 1
