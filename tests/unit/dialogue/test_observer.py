"""Observers of a session."""

from __future__ import annotations

import pytest

from tests.support.steps import taken
from voicebot.dialogue.events import SessionStarted
from voicebot.dialogue.observer import Observer, SessionStep
from voicebot.dialogue.state import State
from voicebot.session.observers import Observers


class RecordingObserver(Observer):
    """Records everything that it is told, and fails each time if `fails` is set."""

    def __init__(self, *, fails: bool = False) -> None:
        self.seen: list[object] = []
        self._fails = fails

    def began(self) -> None:
        self._record("began")

    def stepped(self, step: SessionStep) -> None:
        self._record(step)

    def underran(self, frames: int) -> None:
        self._record(frames)

    def ended(self) -> None:
        self._record("ended")

    def _record(self, event: object) -> None:
        self.seen.append(event)
        if self._fails:
            raise OSError("a fault")


def test_a_failing_observer_keeps_nothing_from_the_others_and_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    failing, first, last = RecordingObserver(fails=True), RecordingObserver(), RecordingObserver()
    observers = Observers(first=first, failing=failing)
    observers.add("last", last)
    step = taken(State(), SessionStarted(), 1.0)
    observers.began()
    observers.stepped(step)
    observers.underran(3)
    observers.ended()
    assert first.seen == failing.seen == last.seen == ["began", step, 3, "ended"]
    assert [record.getMessage().split(" failed")[0] for record in caplog.records] == ["failing"]


def test_an_observer_may_ignore_everything() -> None:
    observer = Observer()
    observer.began()
    observer.stepped(taken(State(), SessionStarted()))
    observer.underran(1)
    observer.ended()
