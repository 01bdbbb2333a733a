"""The engines of a stage in order of preference, each with its health.

An engine that failed rests, and is probed in the background before it gets work again, so that no turn waits for it
twice.
"""

from __future__ import annotations

import asyncio
import logging
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Generic, Self, TypeVar

from voicebot.engines.circuit import CircuitBreaker
from voicebot.engines.errors import EngineError, Fault
from voicebot.engines.protocols import (
    DEFAULT_STYLE,
    Engine,
    EngineStatus,
    FailureCounter,
    HasGraph,
    HasModels,
    HasNote,
    Style,
)
from voicebot.runtime import limits

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FallbackRules:
    """How often and how long a group tries each of its engines. Times are in seconds."""

    retries: int = 1
    """How many times a request is repeated before the first output."""
    backoff_s: float = 0.1
    """The wait before the second try; it doubles before each further one."""
    first_output_s: float = 5.0
    """The limit for all tries of an engine together, up to its first output, while another engine is left."""
    probe_s: float = 5.0
    """The limit for a probe."""
    rest_s: float = 30.0
    """How long an engine rests after its first failure."""


E = TypeVar("E", bound=Engine)


class Candidate(Generic[E]):
    """An engine of a group, with its health."""

    def __init__(self, engine: E, rest_s: float) -> None:
        self.engine = engine
        self.circuit = CircuitBreaker(rest_s)
        self.started = False
        self.probe_s: float | None = None
        self.probed_s: float | None = None
        """When it was last probed, by the monotonic clock."""
        self.ill_probes = 0
        """How many probes in a row have failed."""

    @property
    def is_due(self) -> bool:
        """Whether its last probe is old enough for another one."""
        if self.probed_s is None:
            return True
        well = self.circuit.closed and self.circuit.error is None
        ill_s = limits.PROBE_ILL_S * 2 ** min(10, max(0, self.ill_probes - 1))
        return time.monotonic() - self.probed_s >= (limits.PROBE_WELL_S if well else min(ill_s, limits.PROBE_WELL_S))

    @property
    def health(self) -> EngineStatus:
        error = self.circuit.error
        with_models = self.engine if isinstance(self.engine, HasModels) else None
        note = self.engine.note if isinstance(self.engine, HasNote) else None
        return EngineStatus(
            self.engine.name,
            ready=self.started and self.circuit.closed,
            reason=None if error is None else error.message,
            code=None if error is None else error.fault.error_code,
            probe_ms=None if self.probe_s is None else round(self.probe_s * 1000),
            model=None if with_models is None else with_models.model,
            warning=note if with_models is None else with_models.warning,
            graph=self.engine.graph if isinstance(self.engine, HasGraph) else None,
        )


class FallbackGroup(Generic[E]):
    """The engines of one stage. They are probed in the `usual` style, which is the server's own.

    The order in which engines are tried depends on the style of each request. Their health is shared by all requests.
    """

    def __init__(self, engines: Sequence[E], rules: FallbackRules, usual: Style = DEFAULT_STYLE) -> None:
        if not engines:
            raise ValueError("a fallback group needs an engine")
        self.rules = rules
        self.usual = usual
        self._candidates = [Candidate(engine, rules.rest_s) for engine in engines]
        self._probing: dict[str, asyncio.Task[None]] = {}
        self._closed = False
        self._failure_counter: FailureCounter | None = None
        self._stage = ""

    @property
    def name(self) -> str:
        """The name of the engine that would be tried first now, for a request that every engine can serve."""
        return _may_be_tried(self._candidates)[0].engine.name

    @property
    def engines(self) -> tuple[E, ...]:
        """The engines that have started, in order of preference."""
        return tuple(candidate.engine for candidate in self._candidates if candidate.started)

    def alone(self, rules: FallbackRules) -> tuple[Self, ...]:
        """Returns a group for each engine, in order, so that none stands in for another.

        Engines that could not start are included. This group still closes all of them.
        """
        return tuple(type(self)([candidate.engine], rules, self.usual) for candidate in self._candidates)

    @property
    def languages(self) -> frozenset[str]:
        return frozenset.union(*(candidate.engine.languages for candidate in self._candidates))

    @property
    def health(self) -> tuple[EngineStatus, ...]:
        return tuple(candidate.health for candidate in self._candidates)

    def count_failures(self, stage: str, counter: FailureCounter) -> None:
        """Has the counter count each failure of an engine from now on, even if a retry succeeds."""
        self._stage, self._failure_counter = stage, counter

    def count_failure(self, engine: str, error: EngineError) -> None:
        """Counts a failure of an engine, which may be tried again at once."""
        if self._failure_counter is not None:
            self._failure_counter.count_failure(self._stage, engine, error)

    async def start(self) -> None:
        """Starts all engines. If none starts, raises the EngineError of the first."""
        self._closed = False
        for candidate in self._candidates:
            try:
                await candidate.engine.start()
            except EngineError as error:
                logger.warning("an engine can't start: %s", error)
                candidate.circuit.failed(error)
            except Exception as error:  # noqa: BLE001 - boundary: one engine's mistake must not end the start of all
                candidate.circuit.failed(mistake(candidate, error))
            else:
                candidate.started = True
        if not any(candidate.started for candidate in self._candidates):
            assert self._candidates[0].circuit.error is not None
            raise self._candidates[0].circuit.error

    async def close(self) -> None:
        self._closed = True
        for task in self._probing.values():
            task.cancel()
        if self._probing:
            await asyncio.wait(self._probing.values())
        for candidate in self._candidates:
            await candidate.engine.close()

    async def probe_due(self) -> None:
        """Probes the engines whose last probe is old enough, as strangers may ask for this as often as they like."""
        await asyncio.gather(
            *(self._probe(candidate) for candidate in self._candidates if candidate.started and candidate.is_due)
        )

    async def probe(self, style: Style | None = None) -> None:
        """Probes all engines side by side, in the usual style unless another one is given.

        If none works, raises the EngineError of the first.
        """
        candidates = [candidate for candidate in self._candidates if candidate.started]
        errors = await asyncio.gather(*(self._probe(candidate, style) for candidate in candidates))
        if candidates and all(errors):
            assert errors[0] is not None
            raise errors[0]

    async def _probe(self, candidate: Candidate[E], style: Style | None = None) -> EngineError | None:
        """Probes one engine and updates its circuit breaker. Returns the error if the engine certainly cannot work."""
        started_s = candidate.probed_s = time.monotonic()
        candidate.ill_probes += 1
        try:
            async with asyncio.timeout(self.rules.probe_s):
                await candidate.engine.probe(style or self.usual)
        except EngineError as error:
            failure = error
        except TimeoutError:
            failure = overdue(candidate.engine, self.rules.probe_s)
        except Exception as error:  # noqa: BLE001 - boundary: one engine's mistake must not end the start, or recovery
            failure = mistake(candidate, error)
        else:
            candidate.probe_s = time.monotonic() - started_s
            candidate.ill_probes = 0
            candidate.circuit.may_work()
            return None
        candidate.probe_s = None
        if failure.fault is Fault.REJECTED:
            self.count_failure(candidate.engine.name, failure)
            logger.warning("%s", failure)
            candidate.circuit.may_work(doubt=failure)
            return None
        self.failed(candidate, failure)
        return failure

    def candidates(self, style: Style) -> list[Candidate[E]]:
        """Returns the engines that may be tried for a request in this style, in the order in which they are tried.

        The wanted engine comes first. Engines that lack the language are left out, unless all lack it. Engines that
        rest are left out too, unless all rest: a late answer is better than none.
        """
        return _may_be_tried(self._in_order(style))

    def passed_over(self, style: Style) -> list[str]:
        """Returns why engines that would come first for a request in this style are left alone just now."""
        candidates = self._in_order(style)
        first = candidates.index(_may_be_tried(candidates)[0])
        return [str(candidate.circuit.error) for candidate in candidates[:first] if candidate.circuit.error is not None]

    def style_for(self, candidate: Candidate[E], style: Style) -> Style:
        """Returns the style in which one engine serves a request: other engines do not know the first one's voice."""
        first = next((each for each in self._in_order(style) if each.started), None)
        return style if candidate is first else replace(style, voice="")

    def _in_order(self, style: Style) -> list[Candidate[E]]:
        """Returns the engines that know the style's language, the wanted one first; all if none knows it."""
        able = [
            candidate for candidate in self._candidates if style.language in candidate.engine.languages
        ] or self._candidates
        return sorted(able, key=lambda candidate: candidate.engine.name != style.engine)

    def failed(self, candidate: Candidate[E], error: EngineError) -> None:
        name = candidate.engine.name
        self.count_failure(name, error)
        logger.warning("%s", error)
        candidate.circuit.failed(error)
        needs_probe = not candidate.circuit.closed and len(self._candidates) > 1 and not self._closed
        if needs_probe and name not in self._probing:
            task = asyncio.create_task(self._recover(candidate), name=f"recovery of {name}")
            self._probing[name] = task
            task.add_done_callback(lambda _: self._probing.pop(name))

    async def _recover(self, candidate: Candidate[E]) -> None:
        """Probes an engine after each rest until it works again, so that no user's turn is spent on finding out."""
        while True:
            await asyncio.sleep(candidate.circuit.remaining_s)
            if not candidate.circuit.closed:
                continue  # it has failed again meanwhile
            if await self._probe(candidate) is None:
                logger.info("%s can work again", candidate.engine.name)
                return


def _may_be_tried(candidates: list[Candidate[E]]) -> list[Candidate[E]]:
    """Returns the engines that have started and do not rest; if all rest, all that have started."""
    started = [candidate for candidate in candidates if candidate.started] or candidates
    return [candidate for candidate in started if candidate.circuit.closed] or started


def mistake(candidate: Candidate[E], error: Exception) -> EngineError:
    """Returns the EngineError for an engine that raised another exception, and logs it if it is new.

    The log gets only the type and the place, as the message may hold anything, such as a header with a key.
    """
    failure = EngineError(candidate.engine.name, f"it made a mistake ({type(error).__name__}); the log says where")
    if candidate.circuit.error is None or candidate.circuit.error.message != failure.message:
        frames = traceback.extract_tb(error.__traceback__)
        place = ", ".join(f"{frame.filename}:{frame.lineno} in {frame.name}" for frame in frames)
        logger.error("%s made a mistake: %s at %s", candidate.engine.name, type(error).__name__, place)
    return failure


def overdue(engine: Engine, limit_s: float) -> EngineError:
    return EngineError(engine.name, f"nothing came within {limit_s:g} s", fault=Fault.TIMEOUT)
