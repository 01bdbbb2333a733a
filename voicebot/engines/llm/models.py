"""The models that a service may be asked for: which of them is used, and what is known of it."""

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
    """An SDK's client that can list a service's models."""

    @property
    def models(self) -> Any: ...


@dataclass(frozen=True, slots=True)
class Listed:
    """A model in a service's list. `shutdown` is the date from which it will be gone, if that is announced."""

    name: str
    shutdown: date | None = None


class Models:
    """The models of one service in the order of preference, of which the first one that the service lists is used.

    `clock` is monotonic, in seconds.
    """

    def __init__(self, names: Sequence[str], clock: Clock = time.monotonic) -> None:
        if not names:
            raise ValueError("a service needs a model")
        self.names = tuple(names)
        self.listed: tuple[str, ...] = ()
        """All that the service listed last."""
        self._gone: set[str] = set()
        self._current = self.names[0]
        self._shutdowns: dict[str, date] = {}
        self._limits: defaultdict[str, RateLimits] = defaultdict(lambda: RateLimits(clock))

    @property
    def current(self) -> str:
        """The one that is asked."""
        return self._current

    @property
    def limits(self) -> RateLimits:
        """What the current model's rate limit leaves; services limit each model by itself."""
        return self._limits[self._current]

    @property
    def warning(self) -> str | None:
        """That the service will shut the current model down, if it says so."""
        shutdown = self._shutdowns.get(self._current)
        return None if shutdown is None else f"its shutdown is announced for {shutdown.isoformat()}"

    def choose(self, listed: Iterable[Listed]) -> bool:
        """Use the first of ours that the service lists; False if it lists none, which changes nothing."""
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
        """A server on this machine has this model to offer, whatever was offered before."""
        self.names = self.listed = (name,)
        self._gone.clear()
        self._use(name)

    def lose(self, name: str) -> bool:
        """The service does not have this model any more: use the next of ours. False if there is none left."""
        self._gone.add(name)
        left = [each for each in self.names if each not in self._gone]
        if not left:
            return False
        if self._current in self._gone:
            self._use(left[0])
        return True

    def _use(self, name: str) -> None:
        if name != self._current and self._current:
            logger.info("the model %s is used now, and no longer %s", name, self._current)
        self._current = name


async def listed_by(client: Listing) -> list[Listed]:
    """The models that the service lists for this key, without those that it has switched off (Groq's `active`)."""
    return [
        Listed(str(model.id), _date(getattr(model, "shutdown_date", None)))
        for model in (await client.models.list()).data
        if getattr(model, "active", True) is not False
    ]


def _date(value: object) -> date | None:
    """OpenAI's `shutdown_date`: an ISO date, perhaps with a time."""
    try:
        return date.fromisoformat(value[:10]) if isinstance(value, str) else None
    except ValueError:
        return None


def none_listed(engine: str, models: Models) -> EngineError:
    """The service was reached and has none of our models."""
    names = " or ".join(models.names)
    return EngineError(engine, f"there is no model {names}", fault=Fault.MISSING)
