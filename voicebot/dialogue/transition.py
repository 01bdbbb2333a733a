"""One step of the machine under way, and the one way in which a step cancels a reply."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from voicebot.dialogue.events import CancelReply, Command
from voicebot.dialogue.facts import Fact, ReplyCancelled
from voicebot.dialogue.state import State


@dataclass(slots=True)
class Transition:
    """One step under way: the state as changed so far, with the commands and facts that the change has led to."""

    state: State
    at_s: float
    """When the input happened, in seconds of the session's clock."""
    commands: list[Command] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)


def cancel_reply(t: Transition, *, wrong_start: bool = False) -> None:
    live = t.state.live
    if live is not None:
        cancelled = replace(live, cancelled=True, paused=False, wrong_start=wrong_start)
        t.state = replace(t.state, reply=cancelled, interrupted_at_s=None)
        t.commands.append(CancelReply(live.number))
        t.facts.append(ReplyCancelled(live.number))
