"""Chooses among the models of a service, and keeps what is known of each."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol

from voicebot.engines.errors import EngineError, Fault
from voicebot.engines.llm.rate_limits import RateLimits
from voicebot.runtime.clock import Clock

logger = logging.getLogger(__name__)


class Listing(Protocol):
    """The part of an SDK's client that lists a service's models."""

    @property
    def models(self) -> Any: ...


@dataclass(frozen=True, slots=True)
class ListedModel:
    """A model in a service's list. `shutdown` is the announced date of its end, if there is one."""

    name: str
    shutdown: date | None = None


class Models:
    """The models of one service in the order of preference. The first one that the service lists is used.

    `clock` is monotonic, in seconds.
    """

    def __init__(self, names: Sequence[str], clock: Clock = time.monotonic) -> None:
        if not names:
            raise ValueError("a service needs a model")
        self.names = tuple(names)
        self.listed: tuple[str, ...] = ()
        """All models in the service's latest list."""
        self._gone: set[str] = set()
        self._current = self.names[0]
        self._shutdowns: dict[str, date] = {}
        self._limits: defaultdict[str, RateLimits] = defaultdict(lambda: RateLimits(clock))

    @property
    def current(self) -> str:
        """The model that requests go to."""
        return self._current

    @property
    def limits(self) -> RateLimits:
        """The rate limits of the current model. Services limit each model separately."""
        return self._limits[self._current]

    @property
    def warning(self) -> str | None:
        """The announced shutdown of the current model in words, or None."""
        shutdown = self._shutdowns.get(self._current)
        return None if shutdown is None else f"its shutdown is announced for {shutdown.isoformat()}"

    def choose(self, listed: Iterable[ListedModel]) -> bool:
        """Uses the first of our models that is listed. Returns False and changes nothing if none is."""
        known = {model.name: model for model in listed}
        self.listed = tuple(known)
        self._shutdowns = {model.name: model.shutdown for model in known.values() if model.shutdown is not None}
        for name in self.names:
            # Ollama lists "llama3.2:latest" and answers to "llama3.2".
            if name in known or f"{name}:latest" in known:
                self._gone.clear()
                self._use(name)
                return True
        return False

    def offer(self, name: str) -> None:
        """Uses this model, the only one that a server on this machine offers."""
        self.names = self.listed = (name,)
        self._gone.clear()
        self._use(name)

    def lose(self, name: str) -> bool:
        """Stops using a model that the service no longer has. Returns False if none of ours is left."""
        self._gone.add(name)
        left = [each for each in self.names if each not in self._gone]
        if not left:
            return False
        if self._current in self._gone:
            self._use(left[0])
        return True

    def _use(self, name: str) -> None:
        if name != self._current and self._current:
            logger.info("Switched from the model %s to %s.", self._current, name)
        self._current = name


async def listed_by(client: Listing) -> list[ListedModel]:
    """Returns the models that the service lists for this key, without inactive ones (Groq's `active`)."""
    return [
        ListedModel(str(model.id), _date(getattr(model, "shutdown_date", None)))
        for model in (await client.models.list()).data
        if getattr(model, "active", True) is not False
    ]


def _date(value: object) -> date | None:
    """Parses OpenAI's `shutdown_date`, an ISO date that a time may follow. Returns None if it is none."""
    try:
        return date.fromisoformat(value[:10]) if isinstance(value, str) else None
    except ValueError:
        return None


def none_listed(engine: str, models: Models) -> EngineError:
    """Returns the error for a service that has none of our models."""
    names = " or ".join(models.names)
    return EngineError(engine, f"there is no model {names}", fault=Fault.MISSING)
