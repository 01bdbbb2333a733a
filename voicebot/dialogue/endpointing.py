"""Endpointing: finds when the user begins and ceases to speak, from the speech probability of each window."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto

from voicebot.dialogue.end_of_turn.estimate import DELAYS
from voicebot.dialogue.preferences import Endpointing, InterruptionThresholds

WINDOW_S = 0.032
"""One window of the voice activity detector: 512 samples at 16 kHz."""

LEAST_KEPT = 0.05
"""A window with a speech probability below this holds no speech, even for a bot that is easy to interrupt."""


class SpeechEvent(Enum):
    """What the endpointer has found out with a window."""

    SUSPECTED = auto()
    """Speech may be starting."""
    CLEARED = auto()
    """What was suspected was no speech."""
    STARTED = auto()
    PAUSED = auto()
    """The user is silent, and may speak on."""
    CONTINUED = auto()
    """The user speaks on after a pause."""
    ENDED = auto()
    RELEASED = auto()
    """The utterance has ended because the user has let go of the talk button."""


@dataclass(frozen=True, slots=True)
class EndpointRules:
    """The figures of the endpointer, times in seconds.

    Speech begins at a probability of `threshold` and continues down to `threshold - hysteresis` (Silero's own rule and
    figures).
    """

    start_s: float = 0.096
    pause_s: float = 0.096
    quick_pause_s: float = 0.064
    """The silence that counts as a pause when the words look complete. A stop consonant can be as long, but hardly
    occurs there."""
    sure_s: float = 0.45
    """The turn looks complete when the endpointing delay is shorter than this."""
    stop_s: float = 0.5
    """The silence that ends an utterance for which no endpointing delay has been set."""
    threshold: float = 0.5
    hysteresis: float = 0.15
    longest_s: float = 30.0
    gap_share: float = 1 / 6
    """In the last part of its longest duration, this share of it, an utterance is cut at the first window without
    speech, so that the cut falls between two words."""
    suspicious: float = 0.75
    """One window of this probability, or two in a row at which speech would continue, may be the start of speech."""
    suspicion_s: float = 0.16
    """The longest time that a suspicion lasts without speech starting."""
    release_s: float = 0.16
    """How much more sound belongs to an utterance after the user has let go of the talk button. From a browser's
    microphone to here, sound takes some 80 ms longer than a message does."""

    def with_endpointing(self, endpointing: Endpointing) -> EndpointRules:
        """Returns the rules of a session that has chosen this endpointing."""
        return replace(self, stop_s=DELAYS[endpointing].even_s)

    def over_the_bot(self, thresholds: InterruptionThresholds) -> EndpointRules:
        """Returns the rules while the bot speaks. The threshold at which speech continues stays above 0."""
        moved = self.threshold + thresholds.threshold * (
            1 - self.threshold if thresholds.threshold > 0 else self.threshold
        )
        least = min(self.threshold, self.hysteresis + LEAST_KEPT)
        return replace(self, threshold=max(moved, least), start_s=max(WINDOW_S, self.start_s + thresholds.start_s))


class Endpointer:
    """Turns the speech probability of each window into speech events."""

    def __init__(self, rules: EndpointRules) -> None:
        self.rules = rules
        """They may be replaced between two windows."""
        self._speaking = self._pausing = False
        self._speech_windows = 0
        self._silent_windows = 0
        self._windows = 0
        self._likely = False
        """Whether the last window was one at which speech would continue."""
        self._suspected = 0
        """The number of windows since speech was suspected; 0 if none is."""
        self._believed = True
        """False after a suspicion has lasted too long, until the sound that caused it has ended."""
        self.goes_on = False
        """Whether the utterance was cut because it was too long: the next window begins another one."""
        self.endpointing_delay_s: float | None = None
        """The silence that ends this utterance; None if its words have not set it. Reset when another one starts."""
        self.held = False
        """Whether the user holds the talk button: then a silence ends an utterance only after `longest_s`."""
        self._windows_left: int | None = None
        """How many windows the utterance still has after the user has let go of the talk button; else None."""

    def press(self) -> bool:
        """Begins an utterance, which lasts until `release`, or continues one. Returns True if it has begun one."""
        self.held, self._windows_left = True, None
        if self._speaking:
            return False
        self._silent_windows = self._speech_windows = 0
        self._start()
        self._pausing = True  # until the user's first word
        return True

    def release(self) -> None:
        """Ends the utterance under way, if there is one, after `release_s`."""
        self.held = False
        if self._speaking:
            self._windows_left = round(self.rules.release_s / WINDOW_S)

    @property
    def is_open(self) -> bool:
        """Whether the user holds the talk button, or has just let go of it, so that the next window counts."""
        return self.held or self._windows_left is not None

    @property
    def speaking(self) -> bool:
        """Whether an utterance has started and not ended, though the user may be pausing."""
        return self._speaking

    @property
    def _endpointing_delay_s(self) -> float:
        if self.is_open:
            return self.rules.longest_s
        return self.rules.stop_s if self.endpointing_delay_s is None else self.endpointing_delay_s

    @property
    def suspecting(self) -> bool:
        return self._suspected > 0

    @property
    def silence_s(self) -> float:
        """How long the silence has lasted up to the last window."""
        return self._silent_windows * WINDOW_S

    @property
    def utterance_s(self) -> float:
        """The duration from the first window of speech to the last one."""
        return max(0, self._windows - self._silent_windows) * WINDOW_S

    def push(self, probability: float) -> SpeechEvent | None:
        """Takes the speech probability (0 to 1) of the next window. Returns what it changes, if anything."""
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
        if self._windows_left is not None:
            self._windows_left -= 1
        released = self._windows_left == 0
        if released or _lasts(self._silent_windows, self._endpointing_delay_s):
            self._speaking = self._pausing = False
            self._speech_windows = 0
            self._windows_left = None
            return SpeechEvent.RELEASED if released else SpeechEvent.ENDED
        between_words = self._silent_windows > 0 and _lasts(self._windows, rules.longest_s * (1 - rules.gap_share))
        has_speech = self._silent_windows < self._windows
        if has_speech and (between_words or _lasts(self._windows, rules.longest_s)):
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
