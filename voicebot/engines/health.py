"""Before anybody talks: can each stage work, with which engine, and if not, why?"""

from __future__ import annotations

import asyncio

from voicebot.engines.fallback_group import FailureCounter, FallbackGroup
from voicebot.engines.protocols import Engine, Engines, EngineStatus

Health = dict[str, tuple[EngineStatus, ...]]
"""For each stage its engines, in the order in which they are tried."""


class EngineHealth:
    """Asks the engines how they are, no more than one round at a time."""

    def __init__(self, engines: Engines) -> None:
        self._stages: dict[str, Engine] = {"stt": engines.stt, "llm": engines.agent, "tts": engines.tts}
        self._asking = asyncio.Lock()

    @property
    def health(self) -> Health:
        """What is known now; engines tell more while they work."""
        return {stage: self._health_of(stage) for stage in self._stages}

    @property
    def problem(self) -> str | None:
        """Why no session can work, if so: the stages of which no engine is ready, and what each of these says.

        Sessions work without a recogniser, as users can type: `typing_only` tells that.
        """
        reasons = [reason for stage in self._stages if stage != "stt" for reason in self._stuck(stage)]
        return f"The bot can't work just now. {'; '.join(reasons)}." if reasons else None

    @property
    def typing_only(self) -> str | None:
        """Says that the bot understands no speech, and why, if no recogniser is ready; None otherwise."""
        reasons = self._stuck("stt")
        return f"The bot understands no speech just now: you can type. {'; '.join(reasons)}." if reasons else None

    def _health_of(self, stage: str) -> tuple[EngineStatus, ...]:
        engine = self._stages[stage]
        return engine.health if isinstance(engine, FallbackGroup) else (EngineStatus(engine.name, ready=True),)

    def _stuck(self, stage: str) -> list[str]:
        """Returns why none of the stage's engines is ready; nothing if one of them is."""
        engines = self._health_of(stage)
        if any(engine.ready for engine in engines):
            return []
        return [f"{engine.name}: {engine.reason}" for engine in engines]

    def tell_failures(self, counter: FailureCounter) -> None:
        """Has the counter count each failure of an engine from now on."""
        for stage, engine in self._stages.items():
            if isinstance(engine, FallbackGroup):
                engine.count_failures(stage, counter)

    async def check(self) -> Health:
        """Probe the engines that have not been probed for long enough. Never raises: `health` tells."""
        async with self._asking:
            await asyncio.gather(
                *(engine.probe_due() for engine in self._stages.values() if isinstance(engine, FallbackGroup))
            )
        return self.health
