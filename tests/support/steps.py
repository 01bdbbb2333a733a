"""Steps of the machine as observers see them."""

from __future__ import annotations

from collections.abc import Callable

from voicebot.dialogue.events import Input
from voicebot.dialogue.machine import step
from voicebot.dialogue.observer import Observer, SessionStep
from voicebot.dialogue.state import State


def taken(state: State, input: Input, at_s: float = 0.0) -> SessionStep:
    """Returns the step that this input makes from `state`."""
    after, _, facts = step(state, input, at_s)
    return SessionStep(input, at_s, after, facts, after is not state)


class Watcher(Observer):
    """Passes each step to a function."""

    def __init__(self, tell: Callable[[SessionStep], None]) -> None:
        self._tell = tell

    def stepped(self, step: SessionStep) -> None:
        self._tell(step)
