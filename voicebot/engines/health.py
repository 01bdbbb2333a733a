"""The health of the engines: whether each stage can work, with which engine, and if not, why."""

from __future__ import annotations

import asyncio

from voicebot.dialogue.errors import ErrorCode
from voicebot.engines.fallback_group import FallbackGroup
from voicebot.engines.protocols import Engine, Engines, EngineStatus, FailureCounter

Health = dict[str, tuple[EngineStatus, ...]]
"""The status of each stage's engines, in the order in which they are tried."""

END_OF_TURN = "end_of_turn"
"""The stage of the optional end-of-turn model. It is there only if the settings name one."""

MCP = "mcp"
"""The stage of the MCP servers. It is there only if the settings name some."""


class EngineHealth:
    """Knows the health of all engines. It probes them in one round at a time."""

    def __init__(self, engines: Engines) -> None:
        self._stages: dict[str, Engine] = {"stt": engines.stt, "llm": engines.agent, "tts": engines.tts}
        self._end_of_turn = engines.end_of_turn
        self._tool_servers = engines.tool_servers
        self._asking = asyncio.Lock()

    @property
    def health(self) -> Health:
        """The health as it is known now."""
        health = {stage: self._health_of(stage) for stage in self._stages}
        if self._end_of_turn is not None:
            health[END_OF_TURN] = (self._end_of_turn.status,)
        if self._tool_servers is not None:
            health[MCP] = self._tool_servers.health
        return health

    @property
    def problem(self) -> str | None:
        """Says why no session can work: for each stage without a ready engine, why its engines are not ready.

        None if sessions can work. They work without a recogniser, as users can type: see `typing_only`. They also work
        without the end-of-turn model and MCP servers.
        """
        reasons = [_why(engine) for stage in self._stages if stage != "stt" for engine in self._stuck(stage)]
        return f"The bot cannot work at the moment. {'; '.join(reasons)}." if reasons else None

    @property
    def problem_code(self) -> ErrorCode | None:
        """The kind of `problem`: credentials if any of the engines lacks them, as waiting does not help then."""
        codes = [engine.code for stage in self._stages if stage != "stt" for engine in self._stuck(stage)]
        if not codes:
            return None
        return ErrorCode.CREDENTIALS if ErrorCode.CREDENTIALS in codes else ErrorCode.UNAVAILABLE

    @property
    def typing_only(self) -> str | None:
        """Says that the bot understands no speech, and why, if no recogniser is ready; otherwise None."""
        reasons = [_why(engine) for engine in self._stuck("stt")]
        return f"Speech recognition is not available, but you can type. {'; '.join(reasons)}." if reasons else None

    def _health_of(self, stage: str) -> tuple[EngineStatus, ...]:
        engine = self._stages[stage]
        return engine.health if isinstance(engine, FallbackGroup) else (EngineStatus(engine.name, ready=True),)

    def _stuck(self, stage: str) -> tuple[EngineStatus, ...]:
        """Returns the stage's engines if none of them is ready."""
        engines = self._health_of(stage)
        return () if any(engine.ready for engine in engines) else engines

    def count_failures(self, counter: FailureCounter) -> None:
        """Has the counter count each failure of an engine from now on."""
        for stage, engine in self._stages.items():
            if isinstance(engine, FallbackGroup):
                engine.count_failures(stage, counter)
        if self._tool_servers is not None:
            self._tool_servers.count_failures(counter)

    async def check(self) -> Health:
        """Probes the engines whose last probe is old enough. Returns the health; never raises."""
        async with self._asking:
            await asyncio.gather(
                *(engine.probe_due() for engine in self._stages.values() if isinstance(engine, FallbackGroup))
            )
        return self.health


def _why(engine: EngineStatus) -> str:
    return f"{engine.name}: {engine.reason}"
