"""What a recogniser says about its stream: pure data, the same for both of Deepgram's protocols."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Word:
    """A word as it is to be written, and where it is in the stream, in seconds from the connection's first sound."""

    text: str
    start_s: float
    end_s: float
    confidence: float


class Finality(StrEnum):
    """How far a result can be relied on."""

    INTERIM = "interim"
    """It may change."""
    EAGER = "eager"
    """The speaker seems to be done: it will not change unless they speak on."""
    RESUMED = "resumed"
    """They do speak on: what was eager is interim again."""
    FINAL = "final"
    """It will not change, and later results are about later sound only."""


@dataclass(frozen=True, slots=True)
class Result:
    """What was said in the stream since the last final result, up to `end_s` of it.

    `end_s` is None if it reaches as far as was asked. `answer`: it comes of a request. `turn_over`: it is final
    because the recogniser heard from how it was said that the speaker is done.
    """

    text: str
    words: tuple[Word, ...]
    end_s: float | None
    finality: Finality
    answer: bool = False
    turn_over: bool = False
