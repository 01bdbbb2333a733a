"""Plays a case to a bot on a simulated clock, and notes when the bot takes the turn for over.

Real are the utterance segmenter with its endpointer, the detector's probabilities and, in `MachineBot`, the machine.
The recogniser is one that knows the words: each word comes `stt_s` after its end, and all words before a pause come
`stt_s` after the pause has been noticed. There is no reply: it matters only when it is committed.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from tests.benchmarks.turns.case import TurnCase
from tests.benchmarks.turns.detector import Probabilities, StoredProbabilities, detected
from voicebot.audio.sound import FRAME_S, SPEECH_RATE_HZ, Audio, Samples
from voicebot.dialogue.endpointing import EndpointRules
from voicebot.dialogue.events import (
    CancelReply,
    Command,
    EndTranscription,
    FinalTranscript,
    Input,
    PartialTranscript,
    ReplyEnded,
    SetEndpointingDelay,
    SpeechContinued,
    SpeechEnded,
    SpeechPaused,
    SpeechStarted,
    StartTimer,
    StopTimer,
    TimedOut,
    Timer,
    TurnModelAnswered,
)
from voicebot.session.utterance_segmenter import UtteranceAudio, UtteranceSegmenter

FRAME = round(FRAME_S * SPEECH_RATE_HZ)
CANCELLING_S = 0.005
"""The time that a cancelled reply takes to end."""

TurnModel = Callable[[Samples], float]
"""Returns the probability that the turn is over after these samples at 16 kHz (an end-of-turn model)."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """The engines around the bot. Times are in seconds."""

    stt_s: float = 0.1
    """The recogniser's delay."""
    interim: bool = True
    """Whether words come while the user speaks, and not only at pauses."""
    sentences: bool = False
    """Whether the words before a pause are written as a sentence, with a capital and a full stop, wherever the user
    pauses. The embedded recogniser does that."""
    model: TurnModel | None = None
    model_s: float = 0.1
    """The time of one answer of the model."""


class Bot(Protocol):
    """Decides when the user's turn is over."""

    endpoint_rules: EndpointRules
    ended_s: float | None
    """When it took the turn for over, in seconds of the audio; None if it has not."""

    def take(self, input: Input, at_s: float) -> Iterable[Command]: ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a bot did with a case. Times are in seconds after the voice has ended."""

    case: TurnCase
    ended_s: float | None
    """When the bot took the turn for over: negative before the pause, None if it did not."""

    @property
    def cut_off(self) -> bool:
        """Whether the bot ended a turn that was not over."""
        return self.ended_s is not None and (not self.case.over or self.ended_s < 0)

    @property
    def delay_s(self) -> float:
        """How long a user whose turn was over waited; the whole silence if the bot did not notice it."""
        return self.case.pause_s if self.ended_s is None else self.ended_s


def replay(case: TurnCase, bot: Bot, conditions: Conditions) -> Outcome:
    """Plays the case until the bot has ended the turn, or has noticed that the user goes on."""
    audio, probabilities = detected(case)
    ended_s = _Replay(case, audio, probabilities, bot, conditions).run()
    return Outcome(case, None if ended_s is None else ended_s - case.pause_at_s)


def as_sentence(text: str) -> str:
    """Returns the text with a capital and a full stop; an empty text stays empty."""
    return f"{text[0].upper()}{text[1:]}." if text else text


class _Replay:
    def __init__(
        self, case: TurnCase, audio: Audio, probabilities: Probabilities, bot: Bot, conditions: Conditions
    ) -> None:
        self._case, self._bot, self._conditions = case, bot, conditions
        self._samples = audio.samples[: len(probabilities) * StoredProbabilities.window_samples]
        self._segmenter = UtteranceSegmenter(StoredProbabilities(probabilities), bot.endpoint_rules)
        self._now_s = 0.0
        self._due: list[tuple[float, int, Input]] = []
        self._order = itertools.count()
        self._timers: dict[Timer, int] = {}
        self._transcribing: set[int] = set()
        self._first_word = 0
        """The number of the first word of the utterance under way."""
        self._went_on = False
        """Whether the bot has noticed that the user speaks after the pause."""

    def run(self) -> float | None:
        for start in range(0, len(self._samples), FRAME):
            self._run_due((start + FRAME) / SPEECH_RATE_HZ)
            self._now_s = (start + FRAME) / SPEECH_RATE_HZ
            frame = Audio(self._samples[start : start + FRAME], SPEECH_RATE_HZ)
            for event in self._segmenter.receive_audio(frame):
                if not isinstance(event, UtteranceAudio):
                    self._note(event)
                    self._take(event)
            if self._bot.ended_s is not None or self._went_on:
                break
        return self._bot.ended_s

    def _run_due(self, until_s: float) -> None:
        while self._due and self._due[0][0] <= until_s and self._bot.ended_s is None:
            self._now_s, _, input = heapq.heappop(self._due)
            if isinstance(input, TimedOut) and self._timers.get(input.timer) != input.token:
                continue
            if isinstance(input, PartialTranscript | FinalTranscript) and input.utterance not in self._transcribing:
                continue
            if isinstance(input, FinalTranscript):
                self._transcribing.discard(input.utterance)
            self._take(input)

    def _at(self, at_s: float, input: Input) -> None:
        heapq.heappush(self._due, (at_s, next(self._order), input))

    def _take(self, input: Input) -> None:
        for command in self._bot.take(input, self._now_s):
            match command:
                case SetEndpointingDelay(utterance, silence_s):
                    self._segmenter.set_endpointing_delay(utterance, silence_s)
                case StartTimer(timer, token, delay_s):
                    self._timers[timer] = token
                    self._at(self._now_s + delay_s, TimedOut(timer, token))
                case StopTimer(timer):
                    self._timers.pop(timer, None)
                case EndTranscription(utterance):
                    self._transcribing.discard(utterance)
                case CancelReply(reply):
                    self._at(self._now_s + CANCELLING_S, ReplyEnded(reply))
                case _:
                    pass

    # The recogniser -----------------------------------------------------------------------------------------------

    def _note(self, event: Input) -> None:
        """Lets the recogniser hear what the segmenter has found."""
        after_pause = self._now_s > self._case.pause_at_s + self._case.pause_s
        match event:
            case SpeechStarted(utterance):
                self._went_on |= after_pause
                self._transcribing.add(utterance)
                if self._conditions.interim:
                    self._send_interim(utterance)
            case SpeechPaused(utterance, pause):
                text = self._words_until(self._now_s)
                self._at(self._now_s + self._conditions.stt_s, PartialTranscript(utterance, text, pause))
                if self._conditions.model is not None:
                    heard = self._samples[: round(self._now_s * SPEECH_RATE_HZ)]
                    answer = TurnModelAnswered(utterance, pause, self._conditions.model(heard))
                    self._at(self._now_s + self._conditions.model_s, answer)
            case SpeechContinued():
                self._went_on |= after_pause
            case SpeechEnded(utterance):
                text = self._words_until(self._now_s)
                self._first_word = self._count_until(self._now_s)
                self._at(self._now_s + self._conditions.stt_s, FinalTranscript(utterance, text))
            case _:
                pass

    def _send_interim(self, utterance: int) -> None:
        for count, (_, end_s) in enumerate(self._case.words[self._first_word :], self._first_word + 1):
            text = " ".join(word for word, _ in self._case.words[self._first_word : count])
            self._at(max(self._now_s, end_s + self._conditions.stt_s), PartialTranscript(utterance, text))

    def _count_until(self, time_s: float) -> int:
        return sum(end_s <= time_s for _, end_s in self._case.words)

    def _words_until(self, time_s: float) -> str:
        text = " ".join(word for word, _ in self._case.words[self._first_word : self._count_until(time_s)])
        return as_sentence(text) if self._conditions.sentences else text
