"""When does the user begin and end to speak? Decided from speech probabilities, counted in windows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

WINDOW_S = 0.032
"""One window of the voice activity detector: 512 samples at 16 kHz."""


class Edge(Enum):
    """What a window changed."""

    STARTED = auto()
    ENDED = auto()


@dataclass(frozen=True, slots=True)
class EndpointRules:
    """`threshold` begins speech, `threshold - hysteresis` keeps it up (Silero's own rule and figures)."""

    start_s: float = 0.096
    stop_s: float = 0.5
    threshold: float = 0.5
    hysteresis: float = 0.15
    longest_s: float = 30.0


class Endpointer:
    """Turns one probability a window into the edges of utterances."""

    def __init__(self, rules: EndpointRules) -> None:
        self._rules = rules
        self._speaking = False
        self._speech_windows = 0
        self._silent_windows = 0
        self._windows = 0

    @property
    def speaking(self) -> bool:
        return self._speaking

    @property
    def silence_s(self) -> float:
        """How long the silence had lasted at the last window."""
        return self._silent_windows * WINDOW_S

    def push(self, probability: float) -> Edge | None:
        rules = self._rules
        threshold = rules.threshold - rules.hysteresis if self._speaking else rules.threshold
        if probability >= threshold:
            self._speech_windows += 1
            self._silent_windows = 0
        else:
            self._speech_windows = 0
            self._silent_windows += 1
        self._windows += 1
        if not self._speaking and self._speech_windows * WINDOW_S >= rules.start_s - 1e-9:
            self._speaking = True
            self._windows = 0
            return Edge.STARTED
        too_long = self._windows * WINDOW_S >= rules.longest_s
        if self._speaking and (too_long or self._silent_windows * WINDOW_S >= rules.stop_s - 1e-9):
            self._speaking = False
            self._speech_windows = 0
            return Edge.ENDED
        return None
