"""When does the user begin and end to speak? Decided from speech probabilities, counted in windows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto

from voicebot.dialogue.preferences import InterruptionThresholds

WINDOW_S = 0.032
"""One window of the voice activity detector: 512 samples at 16 kHz."""

LEAST_KEPT = 0.05
"""A window of which this is said holds no speech, however easy it is to interrupt."""


class SpeechEvent(Enum):
    """What a window changed."""

    SUSPECTED = auto()
    """Speech may be starting."""
    CLEARED = auto()
    """It was not."""
    STARTED = auto()
    PAUSED = auto()
    """Silence, which may be the end."""
    CONTINUED = auto()
    """It was not."""
    ENDED = auto()


@dataclass(frozen=True, slots=True)
class EndpointRules:
    """`threshold` begins speech, `threshold - hysteresis` keeps it up (Silero's own rule and figures)."""

    start_s: float = 0.096
    pause_s: float = 0.096
    quick_pause_s: float = 0.064
    """Where the words look complete: a stop inside a word is as long, but is hardly met there."""
    sure_s: float = 0.704
    """Whoever's patience is less thinks so (`EndpointingDelays.unknown_s`)."""
    stop_s: float = 0.5
    """Silence that ends an utterance whose words say nothing else."""
    threshold: float = 0.5
    hysteresis: float = 0.15
    longest_s: float = 30.0
    gap_share: float = 1 / 6
    """In this last part of it, an utterance is cut at the first window without speech: rather between two words."""
    suspicious: float = 0.75
    """A window like this, or two in a row of which speech could be kept up, may be the start of speech."""
    suspicion_s: float = 0.16

    def over_the_bot(self, thresholds: InterruptionThresholds) -> EndpointRules:
        """What begins speech over the bot's own voice. The threshold that keeps it up stays above 0."""
        moved = self.threshold + thresholds.threshold * (
            1 - self.threshold if thresholds.threshold > 0 else self.threshold
        )
        least = min(self.threshold, self.hysteresis + LEAST_KEPT)
        return replace(self, threshold=max(moved, least), start_s=max(WINDOW_S, self.start_s + thresholds.start_s))


class Endpointer:
    """Turns one probability a window into the edges of utterances."""

    def __init__(self, rules: EndpointRules) -> None:
        self.rules = rules
        """May be others from one window to the next."""
        self._speaking = self._pausing = False
        self._speech_windows = 0
        self._silent_windows = 0
        self._windows = 0
        self._likely = False
        """Speech could be kept up by the last window."""
        self._suspected = 0
        """Windows since speech was suspected, which has not started; 0 if it is not."""
        self._believed = True
        """What went on for too long without starting is believed no more, until it has ended."""
        self.goes_on = False
        """The utterance was too long and has been cut: the user speaks on, and the next window begins another one."""
        self.endpointing_delay_s: float | None = None
        """Silence that ends this utterance, if its words have told; forgotten when another one starts."""

    @property
    def speaking(self) -> bool:
        """An utterance has started and not ended, though it may be pausing."""
        return self._speaking

    @property
    def _endpointing_delay_s(self) -> float:
        return self.rules.stop_s if self.endpointing_delay_s is None else self.endpointing_delay_s

    @property
    def suspecting(self) -> bool:
        return self._suspected > 0

    @property
    def silence_s(self) -> float:
        """How long the silence had lasted at the last window."""
        return self._silent_windows * WINDOW_S

    @property
    def utterance_s(self) -> float:
        """From the first window of speech to the last one."""
        return max(0, self._windows - self._silent_windows) * WINDOW_S

    def push(self, probability: float) -> SpeechEvent | None:
        rules = self.rules
        threshold = rules.threshold - rules.hysteresis if self._speaking else rules.threshold
        if probability >= threshold:
            self._speech_windows += 1
            self._silent_windows = 0
        else:
            self._speech_windows = 0
            self._silent_windows += 1
        self._windows += 1
        if self.goes_on:
            self.goes_on = False
            self._windows = 1
            return SpeechEvent.STARTED
        if not self._speaking:
            return self._start() if _lasts(self._speech_windows, rules.start_s) else self._suspect(probability)
        if _lasts(self._silent_windows, self._endpointing_delay_s):
            self._speaking = self._pausing = False
            self._speech_windows = 0
            return SpeechEvent.ENDED
        between_words = self._silent_windows > 0 and _lasts(self._windows, rules.longest_s * (1 - rules.gap_share))
        if between_words or _lasts(self._windows, rules.longest_s):
            self._pausing, self.goes_on = False, True
            self.endpointing_delay_s = None
            return SpeechEvent.ENDED
        expected = self.endpointing_delay_s is not None and self.endpointing_delay_s < rules.sure_s
        pause_s = rules.quick_pause_s if expected else rules.pause_s
        if not self._pausing and _lasts(self._silent_windows, pause_s):
            self._pausing = True
            return SpeechEvent.PAUSED
        if self._pausing and _lasts(self._speech_windows, rules.start_s):
            self._pausing = False
            return SpeechEvent.CONTINUED
        return None

    def _suspect(self, probability: float) -> SpeechEvent | None:
        rules = self.rules
        likely = probability >= rules.threshold - rules.hysteresis
        suspicious = probability >= rules.suspicious or (likely and self._likely)
        self._likely = likely
        self._believed |= not likely
        if not self._suspected:
            self._suspected = int(suspicious and self._believed)
            return SpeechEvent.SUSPECTED if self._suspected else None
        self._suspected += 1
        self._believed = not _lasts(self._suspected, rules.suspicion_s)
        if likely and self._believed:
            return None
        self._suspected = 0
        return SpeechEvent.CLEARED

    def _start(self) -> SpeechEvent:
        self._speaking, self._pausing = True, False
        self._suspected, self._likely, self._believed = 0, False, True
        self._windows = self._speech_windows
        self.endpointing_delay_s = None
        return SpeechEvent.STARTED


def _lasts(windows: int, duration_s: float) -> bool:
    return windows * WINDOW_S >= duration_s - 1e-9
