"""Observers of a session, such as a recorder or metrics. They are told of every step, and cannot change anything."""

from __future__ import annotations

from dataclasses import dataclass

from voicebot.dialogue.events import Input
from voicebot.dialogue.facts import Fact
from voicebot.dialogue.state import State


@dataclass(frozen=True, slots=True)
class SessionStep:
    """One step of a session. `at_s` is when the input happened, in seconds of the session's clock."""

    input: Input
    at_s: float
    state: State
    facts: tuple[Fact, ...]
    changed: bool
    """Whether the state differs from that of the step before."""


class Observer:
    """Watches one session. Its methods run on the event loop that plays the audio, so they must return quickly.

    A subclass overrides the methods that it needs.
    """

    def began(self) -> None:
        """The session has begun."""

    def stepped(self, step: SessionStep) -> None:
        """The machine has made a step."""

    def underran(self, frames: int) -> None:
        """This many frames should have carried speech and had none, as the speech came too late."""

    def ended(self) -> None:
        """The session is over."""
