"""The engines of a stage in order of preference, each with what is known of how it does.

An engine that failed rests, and is probed in the background before it is given work again, so that no turn waits for it
twice.
"""

from __future__ import annotations

import asyncio
import logging
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Generic, Protocol, Self, TypeVar

from voicebot.engines.circuit import CircuitBreaker
from voicebot.engines.errors import EngineError, Fault
from voicebot.engines.protocols import USUAL, Engine, EngineStatus, HasModels, HasNote, Style
from voicebot.runtime import limits

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FallbackRules:
    """How patient a chain is with each of its engines."""

    retries: int = 1
    """How often the same request is made again before the first output."""
    backoff_s: float = 0.1
    """Before the second try; twice as long before each further one."""
    first_output_s: float = 5.0
    """With another engine at hand: all tries together, and the wait for the first output, take no longer than this."""
    probe_s: float = 5.0
    rest_s: float = 30.0


E = TypeVar("E", bound=Engine)


class Candidate(Generic[E]):
    """An engine of a chain, with what is known of how it does."""

    def __init__(self, engine: E, rest_s: float) -> None:
        self.engine = engine
        self.circuit = CircuitBreaker(rest_s)
        self.started = False
        self.probe_s: float | None = None
        self.probed_s: float | None = None
        """When it was last probed, by the monotonic clock."""
        self.ill_probes = 0
        """How many probes in a row found it ill."""

    @property
    def is_due(self) -> bool:
        """Whether it may be probed again because somebody asks."""
        if self.probed_s is None:
            return True
        well = self.circuit.closed and self.circuit.error is None
        ill_s = limits.PROBE_ILL_S * 2 ** min(10, max(0, self.ill_probes - 1))
        return time.monotonic() - self.probed_s >= (limits.PROBE_WELL_S if well else min(ill_s, limits.PROBE_WELL_S))

    @property
    def health(self) -> EngineStatus:
        error = self.circuit.error
        served = self.engine if isinstance(self.engine, HasModels) else None
        note = self.engine.note if isinstance(self.engine, HasNote) else None
        return EngineStatus(
            self.engine.name,
            ready=self.started and self.circuit.closed,
            reason=None if error is None else error.message,
            probe_ms=None if self.probe_s is None else round(self.probe_s * 1000),
            model=None if served is None else served.model,
            warning=note if served is None else served.warning,
        )


class FailureCounter(Protocol):
    """Counts what goes wrong in the engines."""

    def count_failure(self, stage: str, engine: str, error: EngineError) -> None: ...


class FallbackGroup(Generic[E]):
    """What the chains of all stages share. Engines are probed in the `usual` style, which is the server's own.

    The order in which engines are tried depends on the style of each request; how they do is known for all requests.
    """

    def __init__(self, engines: Sequence[E], rules: FallbackRules, usual: Style = USUAL) -> None:
        if not engines:
            raise ValueError("a chain needs an engine")
        self.rules = rules
        self.usual = usual
        self._candidates = [Candidate(engine, rules.rest_s) for engine in engines]
        self._probing: dict[str, asyncio.Task[None]] = {}
        self._closed = False
        self._failure_counter: FailureCounter | None = None
        self._stage = ""
        """Is given the engine and each of its failures, also those that another try makes good."""

    @property
    def name(self) -> str:
        """The engine that would be tried first now, for a request that every engine can serve."""
        return _may_be_tried(self._candidates)[0].engine.name

    @property
    def engines(self) -> tuple[E, ...]:
        """Those that could be started, in their order."""
        return tuple(candidate.engine for candidate in self._candidates if candidate.started)

    def alone(self, rules: FallbackRules) -> tuple[Self, ...]:
        """Each engine as a chain of its own, in their order, so that none stands in for another.

        Also those that could not be started. The engines stay this chain's to be closed.
        """
        return tuple(type(self)([candidate.engine], rules, self.usual) for candidate in self._candidates)

    @property
    def languages(self) -> frozenset[str]:
        return frozenset.union(*(candidate.engine.languages for candidate in self._candidates))

    @property
    def health(self) -> tuple[EngineStatus, ...]:
        return tuple(candidate.health for candidate in self._candidates)

    def count_failures(self, stage: str, counter: FailureCounter) -> None:
        """Have the counter count each failure of an engine, as one of this stage, from now on."""
        self._stage, self._failure_counter = stage, counter

    def tell(self, engine: str, error: EngineError) -> None:
        """An engine has failed, and may be tried again at once."""
        if self._failure_counter is not None:
            self._failure_counter.count_failure(self._stage, engine, error)

    async def start(self) -> None:
        """Start all. Raises the EngineError of the first if none can be."""
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
        """Probe those that have not been probed for long enough: strangers may ask for it as often as they like."""
        await asyncio.gather(
            *(self._probe(candidate) for candidate in self._candidates if candidate.started and candidate.is_due)
        )

    async def probe(self, style: Style | None = None) -> None:
        """Probe all, side by side, in the usual style unless another one is given.

        Raises the EngineError of the first if none can work.
        """
        candidates = [candidate for candidate in self._candidates if candidate.started]
        errors = await asyncio.gather(*(self._probe(candidate, style) for candidate in candidates))
        if candidates and all(errors):
            assert errors[0] is not None
            raise errors[0]

    async def _probe(self, candidate: Candidate[E], style: Style | None = None) -> EngineError | None:
        """Why it can't work, if that is sure; its circuit is told."""
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
            self.tell(candidate.engine.name, failure)
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
        self.tell(name, error)
        logger.warning("%s", error)
        candidate.circuit.failed(error)
        needs_probe = not candidate.circuit.closed and len(self._candidates) > 1 and not self._closed
        if needs_probe and name not in self._probing:
            task = asyncio.create_task(self._recover(candidate), name=f"recovery of {name}")
            self._probing[name] = task
            task.add_done_callback(lambda _: self._probing.pop(name))

    async def _recover(self, candidate: Candidate[E]) -> None:
        """Leave it alone while it rests, then probe it, until that goes well: no user's turn is spent on it."""
        while True:
            await asyncio.sleep(candidate.circuit.remaining_s)
            if not candidate.circuit.closed:
                continue  # it has failed once more meanwhile
            if await self._probe(candidate) is None:
                logger.info("%s can work again", candidate.engine.name)
                return


def _may_be_tried(candidates: list[Candidate[E]]) -> list[Candidate[E]]:
    """Returns the engines that have started and do not rest; if all rest, all that have started."""
    started = [candidate for candidate in candidates if candidate.started] or candidates
    return [candidate for candidate in started if candidate.circuit.closed] or started


def mistake(candidate: Candidate[E], error: Exception) -> EngineError:
    """The failure of an engine that raised what it never should. It is logged when it is new.

    Only its kind and place are told: its text may hold anything, such as a header with a key.
    """
    failure = EngineError(candidate.engine.name, f"it made a mistake ({type(error).__name__}); the log says where")
    if candidate.circuit.error is None or candidate.circuit.error.message != failure.message:
        frames = traceback.extract_tb(error.__traceback__)
        place = ", ".join(f"{frame.filename}:{frame.lineno} in {frame.name}" for frame in frames)
        logger.error("%s made a mistake: %s at %s", candidate.engine.name, type(error).__name__, place)
    return failure


def overdue(engine: Engine, limit_s: float) -> EngineError:
    return EngineError(engine.name, f"nothing came within {limit_s:g} s", fault=Fault.TIMEOUT)
