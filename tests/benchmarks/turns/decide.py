"""The bots that are compared: this project's machine, and simple rules."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from tests.benchmarks.turns.case import TurnCase
from tests.benchmarks.turns.replay import Bot, ModelAnswer
from voicebot.dialogue.end_of_turn.turn_end import USUAL_S, Completeness, EndpointingDelays, completeness
from voicebot.dialogue.endpointing import EndpointRules
from voicebot.dialogue.events import (
    Command,
    EndTranscription,
    FinalTranscript,
    Input,
    PartialTranscript,
    SetEndpointingDelay,
    SpeechContinued,
    SpeechEnded,
    SpeechPaused,
    SpeechStarted,
)
from voicebot.dialogue.facts import ReplyCommitted
from voicebot.dialogue.history import Message, Role
from voicebot.dialogue.machine import step
from voicebot.dialogue.state import Rules, State

BotOf = Callable[[TurnCase], Bot]
"""Makes the bot for one case."""


class MachineBot:
    """The machine of this project in a new session, in which the bot has just asked what the case says."""

    def __init__(self, case: TurnCase, *, factor: float = 1.0) -> None:
        """All endpointing delays are multiplied by `factor`."""
        self.ended_s: float | None = None
        delays = EndpointingDelays().scaled(USUAL_S * factor)
        self.endpoint_rules = replace(EndpointRules(), stop_s=USUAL_S * factor, sure_s=delays.unknown_s)
        rules = Rules(language=case.language, endpointing_delays=delays)
        history = (Message(Role.ASSISTANT, case.asked),) if case.asked else ()
        self._state = State(rules=rules, history=history, merge_next=not history)

    def take(self, input: Input | ModelAnswer, at_s: float) -> Iterable[Command]:
        if isinstance(input, ModelAnswer):
            return ()
        self._state, commands, facts = step(self._state, input, at_s)
        if self.ended_s is None and any(isinstance(fact, ReplyCommitted) for fact in facts):
            self.ended_s = at_s
        return commands


class RuleBot:
    """Ends the turn after a silence that a rule derives from the words, as soon as the words are known.

    Before the first words of a pause come, the silence is the one for no words.
    """

    def __init__(self, delay_s: Callable[[str], float]) -> None:
        self.ended_s: float | None = None
        self.endpoint_rules = replace(EndpointRules(), stop_s=delay_s(""))
        self._delay_s = delay_s
        self._pause = 0
        """The number of the user's pause; 0 while the user speaks."""
        self._known = False
        """Whether all words before the pause are known."""

    def take(self, input: Input | ModelAnswer, at_s: float) -> Iterable[Command]:
        match input:
            case SpeechStarted() | SpeechContinued():
                self._pause, self._known = 0, False
            case SpeechPaused(_, pause):
                self._pause = pause
            case PartialTranscript(utterance, text, pause):
                self._known |= pause == self._pause > 0
                return [SetEndpointingDelay(utterance, self._delay_s(text))]
            case SpeechEnded(utterance) if self._known:
                self.ended_s = at_s
                return [EndTranscription(utterance)]
            case FinalTranscript():
                self.ended_s = at_s
            case _:
                pass
        return ()


def fixed_silence(silence_s: float) -> BotOf:
    """Ends each turn after the same silence."""
    return lambda _: RuleBot(lambda _: silence_s)


def three_classes(factor: float) -> BotOf:
    """Ends turns as the version of 2026-11-30 (commit 6936902) did: after 608 ms of silence if the words look complete,
    after 1.5 s if they look incomplete, else after 704 ms. The delays are multiplied by `factor`."""
    delays = {Completeness.COMPLETE: 0.608, Completeness.UNKNOWN: 0.704, Completeness.INCOMPLETE: 1.5}

    def of(case: TurnCase) -> RuleBot:
        return RuleBot(lambda text: factor * (delays[completeness(text, case.language)] if text else 0.5))

    return of


class ModelBot:
    """An end-of-turn model alone, as Pipecat uses it: asked after 200 ms of silence, it ends the turn at once if its
    probability is above a threshold. Else the turn ends after 3 s of silence. The words must be known as well."""

    def __init__(self, threshold: float) -> None:
        self.ended_s: float | None = None
        self.endpoint_rules = replace(EndpointRules(), stop_s=3.0, pause_s=0.2)
        self._threshold = threshold
        self._pause = 0
        self._known = self._over = False

    def take(self, input: Input | ModelAnswer, at_s: float) -> Iterable[Command]:
        match input:
            case SpeechStarted() | SpeechContinued():
                self._pause, self._known, self._over = 0, False, False
            case SpeechPaused(_, pause):
                self._pause = pause
            case PartialTranscript(_, _, pause):
                self._known |= pause == self._pause > 0
            case ModelAnswer(_, pause, probability):
                self._over |= pause == self._pause and probability > self._threshold
            case SpeechEnded():
                self._over = True
            case _:
                pass
        if self._known and self._over:
            self.ended_s = at_s
        return ()


def model_alone(threshold: float) -> BotOf:
    return lambda _: ModelBot(threshold)


def machine(factor: float) -> BotOf:
    return lambda case: MachineBot(case, factor=factor)
