"""Those who watch a session, a recorder or a meter say: they are told of every step, and can change nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from voicebot.core.events import Input
from voicebot.core.facts import Fact
from voicebot.core.state import State
from voicebot.faults import Faults


@dataclass(frozen=True, slots=True)
class SessionStep:
    """One step of a session: what happened, when (in seconds of the session's clock), and what came of it."""

    input: Input
    at_s: float
    state: State
    facts: tuple[Fact, ...]
    changed: bool
    """The state is not the one of the step before."""


class Observer:
    """Watches one session, on the event loop that plays the sound: nothing here may wait.

    A subclass overrides what it wants to know.
    """

    def began(self) -> None:
        """The session runs."""

    def stepped(self, step: SessionStep) -> None:
        """Something happened."""

    def underran(self, frames: int) -> None:
        """This number of frames that should have carried speech had none."""

    def ended(self) -> None:
        """The session is over."""


class Observers(Observer):
    """Tells all of them, in their order. A fault of one is logged under its name, and keeps nothing from the others."""

    def __init__(self, **observers: Observer) -> None:
        self._observers = observers
        self._faults = Faults()

    def add(self, name: str, observer: Observer) -> None:
        self._observers[name] = observer

    def began(self) -> None:
        self._tell(lambda each: each.began())

    def stepped(self, step: SessionStep) -> None:
        self._tell(lambda each: each.stepped(step))

    def underran(self, frames: int) -> None:
        self._tell(lambda each: each.underran(frames))

    def ended(self) -> None:
        self._tell(lambda each: each.ended())

    def _tell(self, what: Callable[[Observer], None]) -> None:
        for name, observer in self._observers.items():
            with self._faults.contained(name):
                what(observer)
