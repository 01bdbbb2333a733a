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

from voicebot.engines.base import USUAL, Engine, EngineError, EngineHealth, Fault, Noted, OneOfModels, Style
from voicebot.engines.circuit import Circuit
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


class Link(Generic[E]):
    """An engine of a chain, with what is known of how it does."""

    def __init__(self, engine: E, rest_s: float) -> None:
        self.engine = engine
        self.circuit = Circuit(rest_s)
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
    def health(self) -> EngineHealth:
        error = self.circuit.error
        served = self.engine if isinstance(self.engine, OneOfModels) else None
        note = self.engine.note if isinstance(self.engine, Noted) else None
        return EngineHealth(
            self.engine.name,
            ready=self.started and self.circuit.closed,
            reason=None if error is None else error.message,
            code=None if error is None else error.fault.error_code,
            probe_ms=None if self.probe_s is None else round(self.probe_s * 1000),
            model=None if served is None else served.model,
            warning=note if served is None else served.warning,
        )


class FailureCounter(Protocol):
    """Counts what goes wrong in the engines."""

    def count_failure(self, stage: str, engine: str, error: EngineError) -> None: ...


class Chain(Generic[E]):
    """What the chains of all stages share. Engines are probed in the `usual` style, which is the server's own.

    The order in which engines are tried depends on the style of each request; how they do is known for all requests.
    """

    def __init__(self, engines: Sequence[E], rules: FallbackRules, usual: Style = USUAL) -> None:
        if not engines:
            raise ValueError("a chain needs an engine")
        self.rules = rules
        self.usual = usual
        self._links = [Link(engine, rules.rest_s) for engine in engines]
        self._probing: dict[str, asyncio.Task[None]] = {}
        self._closed = False
        self._failure_counter: FailureCounter | None = None
        self._stage = ""
        """Is given the engine and each of its failures, also those that another try makes good."""

    @property
    def name(self) -> str:
        """The engine that would be tried first now, for a request that every engine can serve."""
        return _may_be_tried(self._links)[0].engine.name

    @property
    def engines(self) -> tuple[E, ...]:
        """Those that could be started, in their order."""
        return tuple(link.engine for link in self._links if link.started)

    def alone(self, rules: FallbackRules) -> tuple[Self, ...]:
        """Each engine as a chain of its own, in their order, so that none stands in for another.

        Also those that could not be started. The engines stay this chain's to be closed.
        """
        return tuple(type(self)([link.engine], rules, self.usual) for link in self._links)

    @property
    def languages(self) -> frozenset[str]:
        return frozenset.union(*(link.engine.languages for link in self._links))

    @property
    def health(self) -> tuple[EngineHealth, ...]:
        return tuple(link.health for link in self._links)

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
        for link in self._links:
            try:
                await link.engine.start()
            except EngineError as error:
                logger.warning("an engine can't start: %s", error)
                link.circuit.failed(error)
            except Exception as error:  # noqa: BLE001 - boundary: one engine's mistake must not end the start of all
                link.circuit.failed(mistake(link, error))
            else:
                link.started = True
        if not any(link.started for link in self._links):
            assert self._links[0].circuit.error is not None
            raise self._links[0].circuit.error

    async def close(self) -> None:
        self._closed = True
        for task in self._probing.values():
            task.cancel()
        if self._probing:
            await asyncio.wait(self._probing.values())
        for link in self._links:
            await link.engine.close()

    async def probe_due(self) -> None:
        """Probe those that have not been probed for long enough: strangers may ask for it as often as they like."""
        await asyncio.gather(*(self._probe(link) for link in self._links if link.started and link.is_due))

    async def probe(self, style: Style | None = None) -> None:
        """Probe all, side by side, in the usual style unless another one is given.

        Raises the EngineError of the first if none can work.
        """
        links = [link for link in self._links if link.started]
        errors = await asyncio.gather(*(self._probe(link, style) for link in links))
        if links and all(errors):
            assert errors[0] is not None
            raise errors[0]

    async def _probe(self, link: Link[E], style: Style | None = None) -> EngineError | None:
        """Why it can't work, if that is sure; its circuit is told."""
        started_s = link.probed_s = time.monotonic()
        link.ill_probes += 1
        try:
            async with asyncio.timeout(self.rules.probe_s):
                await link.engine.probe(style or self.usual)
        except EngineError as error:
            failure = error
        except TimeoutError:
            failure = overdue(link.engine, self.rules.probe_s)
        except Exception as error:  # noqa: BLE001 - boundary: one engine's mistake must not end the start, or recovery
            failure = mistake(link, error)
        else:
            link.probe_s = time.monotonic() - started_s
            link.ill_probes = 0
            link.circuit.may_work()
            return None
        link.probe_s = None
        if failure.fault is Fault.REJECTED:
            self.tell(link.engine.name, failure)
            logger.warning("%s", failure)
            link.circuit.may_work(doubt=failure)
            return None
        self.failed(link, failure)
        return failure

    def candidates(self, style: Style) -> list[Link[E]]:
        """Returns the engines that may be tried for a request in this style, in the order in which they are tried.

        The wanted engine comes first. Engines that lack the language are left out, unless all lack it. Engines that
        rest are left out too, unless all rest: a late answer is better than none.
        """
        return _may_be_tried(self._in_order(style))

    def passed_over(self, style: Style) -> list[str]:
        """Returns why engines that would come first for a request in this style are left alone just now."""
        links = self._in_order(style)
        first = links.index(_may_be_tried(links)[0])
        return [str(link.circuit.error) for link in links[:first] if link.circuit.error is not None]

    def style_for(self, link: Link[E], style: Style) -> Style:
        """Returns the style in which one engine serves a request: other engines do not know the first one's voice."""
        first = next((each for each in self._in_order(style) if each.started), None)
        return style if link is first else replace(style, voice="")

    def _in_order(self, style: Style) -> list[Link[E]]:
        """Returns the engines that know the style's language, the wanted one first; all if none knows it."""
        able = [link for link in self._links if style.language in link.engine.languages] or self._links
        return sorted(able, key=lambda link: link.engine.name != style.engine)

    def failed(self, link: Link[E], error: EngineError) -> None:
        name = link.engine.name
        self.tell(name, error)
        logger.warning("%s", error)
        link.circuit.failed(error)
        needs_probe = not link.circuit.closed and len(self._links) > 1 and not self._closed
        if needs_probe and name not in self._probing:
            task = asyncio.create_task(self._recover(link), name=f"recovery of {name}")
            self._probing[name] = task
            task.add_done_callback(lambda _: self._probing.pop(name))

    async def _recover(self, link: Link[E]) -> None:
        """Leave it alone while it rests, then probe it, until that goes well: no user's turn is spent on it."""
        while True:
            await asyncio.sleep(link.circuit.remaining_s)
            if not link.circuit.closed:
                continue  # it has failed once more meanwhile
            if await self._probe(link) is None:
                logger.info("%s can work again", link.engine.name)
                return


def _may_be_tried(links: list[Link[E]]) -> list[Link[E]]:
    """Returns the engines that have started and do not rest; if all rest, all that have started."""
    started = [link for link in links if link.started] or links
    return [link for link in started if link.circuit.closed] or started


def mistake(link: Link[E], error: Exception) -> EngineError:
    """The failure of an engine that raised what it never should. It is logged when it is new.

    Only its kind and place are told: its text may hold anything, such as a header with a key.
    """
    failure = EngineError(link.engine.name, f"it made a mistake ({type(error).__name__}); the log says where")
    if link.circuit.error is None or link.circuit.error.message != failure.message:
        frames = traceback.extract_tb(error.__traceback__)
        place = ", ".join(f"{frame.filename}:{frame.lineno} in {frame.name}" for frame in frames)
        logger.error("%s made a mistake: %s at %s", link.engine.name, type(error).__name__, place)
    return failure


def overdue(engine: Engine, limit_s: float) -> EngineError:
    return EngineError(engine.name, f"nothing came within {limit_s:g} s", fault=Fault.TIMEOUT)
