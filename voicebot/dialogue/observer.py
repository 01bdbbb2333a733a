"""Those who watch a session, a recorder or a meter say: they are told of every step, and can change nothing."""

from __future__ import annotations

from dataclasses import dataclass

from voicebot.dialogue.events import Input
from voicebot.dialogue.facts import Fact
from voicebot.dialogue.state import State


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
