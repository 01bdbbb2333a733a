"""The bots that are compared: this project's machine, and simple rules."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from tests.benchmarks.turns.case import TurnCase
from tests.benchmarks.turns.replay import Bot
from voicebot.dialogue.end_of_turn.estimate import DELAYS, EndpointingDelays
from voicebot.dialogue.end_of_turn.evidence import Source
from voicebot.dialogue.end_of_turn.pauses import PauseHistory
from voicebot.dialogue.end_of_turn.words import Completeness, completeness
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
    TurnModelAnswered,
)
from voicebot.dialogue.facts import ReplyCommitted
from voicebot.dialogue.history import Message, Role
from voicebot.dialogue.machine import step
from voicebot.dialogue.preferences import Endpointing
from voicebot.dialogue.state import Rules, State

NO_PAUSES = PauseHistory()

BotOf = Callable[[TurnCase], Bot]
"""Makes the bot for one case."""

CLASSES_S = {Completeness.COMPLETE: 0.608, Completeness.UNKNOWN: 0.704, Completeness.INCOMPLETE: 1.5}
USUAL_S = 0.5
"""The silences of `three_classes`, the last one for speech without known words."""


@dataclass(frozen=True, slots=True)
class ChangedRules(Rules):
    """The machine's rules with all endpointing delays multiplied by `factor`, and then shifted within their bounds."""

    factor: float = 1.0
    shift_s: float = 0.0

    @property
    def endpointing_delays(self) -> EndpointingDelays:
        usual = DELAYS[self.endpointing]
        delays = replace(
            usual,
            even_s=usual.even_s * self.factor,
            per_log_odds_s=usual.per_log_odds_s * self.factor,
            least_s=usual.least_s * self.factor,
            most_s=usual.most_s * self.factor,
            unsettled_s=usual.unsettled_s * self.factor,
        )
        return delays.shifted(self.shift_s)


@dataclass(frozen=True, slots=True)
class Setup:
    """How the machine is set up: the user's preference, and the sources of evidence that do not count."""

    endpointing: Endpointing = Endpointing.BALANCED
    without: frozenset[Source] = frozenset()


USUAL = Setup()


class MachineBot:
    """The machine of this project in a new session, in which the bot has just asked what the case says.

    `pauses` are the user's pauses in earlier turns.
    """

    def __init__(
        self,
        case: TurnCase,
        setup: Setup,
        *,
        factor: float = 1.0,
        shift_s: float = 0.0,
        pauses: PauseHistory = NO_PAUSES,
    ) -> None:
        self.ended_s: float | None = None
        self._case = case
        usual = EndpointRules()
        self.endpoint_rules = replace(usual, stop_s=usual.stop_s * factor, sure_s=usual.sure_s * factor)
        rules = ChangedRules(
            language=case.language,
            endpointing=setup.endpointing,
            unused_sources=setup.without,
            factor=factor,
            shift_s=shift_s,
        )
        history = (Message(Role.ASSISTANT, case.asked),) if case.asked else ()
        self._state = State(rules=rules, history=history, merge_next=not history, pauses=pauses)

    @property
    def pauses(self) -> PauseHistory:
        """The user's pauses, this case included. A user who was cut off goes on, and the bot notices that."""
        cut_off = self.ended_s is not None and not self._case.over
        return self._state.pauses.after_correction() if cut_off else self._state.pauses

    def take(self, input: Input, at_s: float) -> Iterable[Command]:
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

    def take(self, input: Input, at_s: float) -> Iterable[Command]:
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


class ModelBot:
    """An end-of-turn model alone, as Pipecat uses it: asked after 200 ms of silence, it ends the turn at once if its
    probability is above a threshold. Else the turn ends after 3 s of silence. The words must be known as well."""

    def __init__(self, threshold: float) -> None:
        self.ended_s: float | None = None
        self.endpoint_rules = replace(EndpointRules(), stop_s=3.0, pause_s=0.2)
        self._threshold = threshold
        self._pause = 0
        self._known = self._over = False

    def take(self, input: Input, at_s: float) -> Iterable[Command]:
        match input:
            case SpeechStarted() | SpeechContinued():
                self._pause, self._known, self._over = 0, False, False
            case SpeechPaused(_, pause):
                self._pause = pause
            case PartialTranscript(_, _, pause):
                self._known |= pause == self._pause > 0
            case TurnModelAnswered(_, pause, probability):
                self._over |= pause == self._pause and probability > self._threshold
            case SpeechEnded():
                self._over = True
            case _:
                pass
        if self._known and self._over:
            self.ended_s = at_s
        return ()


def machine(factor: float, setup: Setup = USUAL) -> BotOf:
    """Returns the bots of this project, whose delays are multiplied by `factor`."""
    return lambda case: MachineBot(case, setup, factor=factor)


def shifted_machine(shift_s: float, setup: Setup = USUAL) -> BotOf:
    """Returns the bots of this project, whose delays are `shift_s` longer, within their bounds."""
    return lambda case: MachineBot(case, setup, shift_s=shift_s)


def machine_with_memory(factor: float, setup: Setup = USUAL) -> BotOf:
    """Returns the first bots for cases that are the turns of users, one after the other: `speaker` names the user."""
    last: dict[str, MachineBot] = {}

    def of(case: TurnCase) -> MachineBot:
        pauses = last[case.speaker].pauses if case.speaker in last else NO_PAUSES
        last[case.speaker] = bot = MachineBot(case, setup, factor=factor, pauses=pauses)
        return bot

    return of


def fixed_silence(silence_s: float) -> BotOf:
    """Returns bots that end each turn after the same silence."""
    return lambda _: RuleBot(lambda _: silence_s)


def three_classes(factor: float, completeness_of: Callable[[str, str], Completeness] = completeness) -> BotOf:
    """Returns bots that end turns as this project did on 2026-11-30 (commit 6936902).

    It waited 608 ms after words that looked complete, 1.5 s after words that looked incomplete, and else 704 ms. The
    delays are multiplied by `factor`. `completeness_of` judges a text in a language.
    """

    def of(case: TurnCase) -> RuleBot:
        def delay_s(text: str) -> float:
            return factor * (CLASSES_S[completeness_of(text, case.language)] if text else USUAL_S)

        return RuleBot(delay_s)

    return of


def model_alone(threshold: float) -> BotOf:
    return lambda _: ModelBot(threshold)
