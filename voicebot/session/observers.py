"""All observers of a session as one."""

from __future__ import annotations

from voicebot.dialogue.observer import Observer, SessionStep
from voicebot.runtime.faults import Faults


class Observers(Observer):
    """Tells all observers, in order. A fault of one is logged under its name, and does not affect the others."""

    def __init__(self, **observers: Observer) -> None:
        self._observers = observers
        self._faults = Faults()

    def add(self, name: str, observer: Observer) -> None:
        self._observers[name] = observer

    def began(self) -> None:
        for name, observer in self._observers.items():
            with self._faults.contained(name):
                observer.began()

    def stepped(self, step: SessionStep) -> None:
        for name, observer in self._observers.items():
            with self._faults.contained(name):
                observer.stepped(step)

    def underran(self, frames: int) -> None:
        for name, observer in self._observers.items():
            with self._faults.contained(name):
                observer.underran(frames)

    def ended(self) -> None:
        for name, observer in self._observers.items():
            with self._faults.contained(name):
                observer.ended()
