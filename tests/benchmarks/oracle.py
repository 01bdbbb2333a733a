"""The stub recognisers' knowledge: the client announces to each bot the words that it speaks, and their times.

The module needs only the standard library, so that bots in other environments can use it. Times are those of the
machine's monotonic clock, which its processes share.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

NAMES = (
    *("alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel", "india", "juliet", "kilo", "lima"),
    *("mike", "november", "oscar", "papa", "quebec", "romeo", "sierra", "tango", "uniform", "victor", "whiskey"),
    *("xray", "yankee", "zulu"),
)
"""The names of replies. Each reply contains one, so that a sentence shows to which reply it belongs."""

PARTS = ("one", "two", "three", "four", "five", "six", "seven", "eight")

CROWD_QUESTION = (*(("what", 0.34), ("time", 0.69), ("is", 0.89), ("it", 1.10), ("in", 1.31), ("tokyo", 1.72)),)
"""The question that all users ask when there are many: each word with its end in seconds after the onset, as in the
first clip of `users.questions`."""

Mode = Literal["story", "talk", "short", "okay"]
"""The replies of the stub agent: 21 s in eight sentences, 8 s in three, one sentence of twelve words, or one word."""

LETTERS_PER_S = 20.0
"""The pace of the stub voice."""


@dataclass(frozen=True, slots=True)
class Delays:
    """The delays of the stub engines. With a sentence of twelve words they add up to 625 ms until the first sound."""

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
    """The words of all announced clips. Each word goes to the first utterance that lasts to its end."""

    mode: Mode = "short"
    words: list[Word] = field(default_factory=list)
    given: int = 0

    def announce(self, words: list[Word], mode: Mode) -> None:
        """Announces the words that the user is about to speak. Unused words of earlier clips are dropped."""
        self.given = len(self.words)
        self.words += words
        self.mode = mode

    def begin(self) -> Utterance:
        return Utterance(self, self.given)


@dataclass(slots=True)
class Utterance:
    """The words of an utterance, from the first one that no other utterance has taken."""

    oracle: Oracle
    first: int

    def text(self, until_s: float) -> str:
        """Returns the words that have ended by `until_s`."""
        return " ".join(word.text for word in self._words(until_s))

    def end(self, until_s: float) -> str:
        """Returns the same words, and keeps them from other utterances."""
        words = self._words(until_s)
        self.oracle.given = max(self.oracle.given, self.first + len(words))
        return " ".join(word.text for word in words)

    def _words(self, until_s: float) -> list[Word]:
        return [word for word in self.oracle.words[self.first :] if word.ends_s <= until_s]


def tokens(mode: Mode, reply: int) -> list[str]:
    """Returns the tokens of the reply with this number. The first sentence of all but `okay` has twelve tokens."""
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
    """Returns the name of the reply to which this sentence belongs."""
    return next((word for word in text.lower().replace(".", "").split() if word in NAMES), None)
