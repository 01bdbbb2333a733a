"""Those who watch a session."""

from __future__ import annotations

import pytest

from tests.support.steps import taken
from voicebot.dialogue.events import SessionStarted
from voicebot.dialogue.observer import Observer, SessionStep
from voicebot.dialogue.state import State
from voicebot.session.observers import Observers


class Noting(Observer):
    """Notes all that it is told, and may fail at each."""

    def __init__(self, *, fails: bool = False) -> None:
        self.told: list[object] = []
        self._fails = fails

    def began(self) -> None:
        self._note("began")

    def stepped(self, step: SessionStep) -> None:
        self._note(step)

    def underran(self, frames: int) -> None:
        self._note(frames)

    def ended(self) -> None:
        self._note("ended")

    def _note(self, what: object) -> None:
        self.told.append(what)
        if self._fails:
            raise OSError("a fault")


def test_a_failing_observer_keeps_nothing_from_the_others_and_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    failing, first, last = Noting(fails=True), Noting(), Noting()
    observers = Observers(first=first, failing=failing)
    observers.add("last", last)
    step = taken(State(), SessionStarted(), 1.0)
    observers.began()
    observers.stepped(step)
    observers.underran(3)
    observers.ended()
    assert first.told == failing.told == last.told == ["began", step, 3, "ended"]
    assert [record.getMessage().split(" failed")[0] for record in caplog.records] == ["failing"]


def test_an_observer_need_not_want_to_know_anything() -> None:
    observer = Observer()
    observer.began()
    observer.stepped(taken(State(), SessionStarted()))
    observer.underran(1)
    observer.ended()
