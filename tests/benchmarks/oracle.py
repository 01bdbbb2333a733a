"""What the stub recognisers hear: the client tells each bot which words it speaks, and when each of them ends.

Needs only the standard library, so that bots in other environments use the same one. Times are the machine's monotonic
clock, which its processes share.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

NAMES = (
    *("alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel", "india", "juliet", "kilo", "lima"),
    *("mike", "november", "oscar", "papa", "quebec", "romeo", "sierra", "tango", "uniform", "victor", "whiskey"),
    *("xray", "yankee", "zulu"),
)
"""Each reply of a bot bears one of these, so that a sentence tells which reply it is of."""

PARTS = ("one", "two", "three", "four", "five", "six", "seven", "eight")

Mode = Literal["story", "talk", "short", "okay"]
"""What the stub agent is to say: 21 s in eight sentences, 8 s in three, one sentence of twelve words, or one word."""

LETTERS_PER_S = 20.0
"""The pace of the stub voice."""


@dataclass(frozen=True, slots=True)
class Delays:
    """How long the stub engines take: FACTS.md's figures, whose sum to the first sound is 625 ms."""

    stt_s: float = 0.100
    first_token_s: float = 0.150
    token_s: float = 0.025
    tts_s: float = 0.100


NO_DELAYS = Delays(0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Word:
    text: str
    ends_s: float


@dataclass(slots=True)
class Oracle:
    """The words of all clips announced so far. Each is given to one utterance only, the first that lasts to its end."""

    mode: Mode = "short"
    words: list[Word] = field(default_factory=list)
    given: int = 0

    def announce(self, words: list[Word], mode: Mode) -> None:
        """The user is about to speak. Words of earlier clips that nobody asked for are forgotten."""
        self.given = len(self.words)
        self.words += words
        self.mode = mode

    def begin(self) -> Utterance:
        return Utterance(self, self.given)


@dataclass(slots=True)
class Utterance:
    """What one utterance holds, from the first word not given to another."""

    oracle: Oracle
    first: int

    def text(self, until_s: float) -> str:
        """The words that have ended by then."""
        return " ".join(word.text for word in self._words(until_s))

    def end(self, until_s: float) -> str:
        """The same; no other utterance gets these words."""
        words = self._words(until_s)
        self.oracle.given = max(self.oracle.given, self.first + len(words))
        return " ".join(word.text for word in words)

    def _words(self, until_s: float) -> list[Word]:
        return [word for word in self.oracle.words[self.first :] if word.ends_s <= until_s]


def tokens(mode: Mode, reply: int) -> list[str]:
    """What the stub agent says as its reply of that number. The first sentence of all but `okay` has twelve tokens."""
    name = NAMES[reply % len(NAMES)]
    match mode:
        case "story" | "talk":
            parts = PARTS if mode == "story" else PARTS[:3]
            text = " ".join(f"This is part {part} of story {name} and it goes on now." for part in parts)
        case "short":
            text = f"I am on it {name} and it is all set to go."
        case "okay":
            text = f"Okay {name}."
    return [f"{word} " for word in text.split()]


def name_in(text: str) -> str | None:
    """The name of the reply that this sentence is of."""
    return next((word for word in text.lower().replace(".", "").split() if word in NAMES), None)
