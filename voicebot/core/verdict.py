"""What the user's words over a reply mean: go on, or give way?"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class Decision(StrEnum):
    RESUME = "resume"
    """Not meant for the bot: the reply goes on."""
    REGENERATE = "regenerate"
    """An interruption: the reply ends and the words are answered."""
    WAIT = "wait"
    """Not clear yet."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision with its reason. `answer` is False where giving way needs no new reply ("stop")."""

    decision: Decision
    rule: str
    reason: str
    text: str
    answer: bool = True


@dataclass(frozen=True, slots=True)
class Speech:
    """What is known of the sound of an utterance."""

    duration_s: float = 0.0
    """From the first to the last window of speech."""
    level_db: float | None = None
    """Loudness in dB against the user's usual one in this session; None while that is not known."""
    echo: float | None = None
    """How much of the sound is the bot's own voice coming back, 0 to 1; None if that was not looked for."""
    outlasted_s: float | None = None
    """How long it went on after the bot had fallen silent; None while it lasts."""


@dataclass(frozen=True, slots=True)
class Context:
    """What the words are judged by: what the bot was saying, and how they were said."""

    language: str = "en"
    sentence: str = ""
    """The last sentence of which the user has heard anything, whole; empty if nothing was heard yet."""
    words_heard: int = 0
    """How many of its words were heard."""
    previous: str = ""
    """The sentence heard before that one."""
    confidence: float | None = None
    """The recogniser's, 0 to 1; None where it has none."""
    speech: Speech = Speech()

    @property
    def asked(self) -> bool:
        return self.sentence.rstrip().endswith("?")


LISTENING_SOUNDS = frozenset(
    {"uh huh", "uhuh", "uhhuh", "mm hmm", "mmhmm", "mhm", "mm", "hm", "hmm", "uh", "um", "ah", "oh"}
)
"""Sounds that say "I am listening" and are never an answer by themselves."""

AGREEMENTS = frozenset(
    {
        *("yeah", "yep", "yup", "yes", "okay", "ok", "k", "right", "sure", "alright", "all right", "got it"),
        *("i see", "go ahead", "go on", "cool", "great", "nice", "wow", "really", "true", "exactly"),
    }
)
"""Words that mean "go on" while the bot talks, and are an answer once it has asked something."""

STOP_WORDS = frozenset(
    {"stop", "stop it", "stop talking", "be quiet", "quiet", "shut up", "silence", "enough", "that's enough"}
)
"""Said alone they end the reply and want no other."""

MAX_PHRASE_WORDS = 3


def normalized(text: str) -> str:
    """Lower case, no punctuation but the apostrophe inside a word, single spaces: what phrases are compared as."""
    text = text.casefold().replace("’", "'")
    return " ".join(re.findall(r"\w+(?:'\w+)*", text))


def made_of(text: str, phrases: frozenset[str]) -> bool:
    """Is the (normalized, non-empty) text nothing but these phrases, one after the other, in whole words?"""
    words = text.split()
    if not words:
        return False
    reachable = {0}
    for start in range(len(words)):
        if start in reachable:
            reachable |= {
                start + length
                for length in range(1, MAX_PHRASE_WORDS + 1)
                if " ".join(words[start : start + length]) in phrases and start + length <= len(words)
            }
    return len(words) in reachable


def judge(text: str, context: Context, *, final: bool) -> Verdict:
    """The verdict on what was said over a reply. Without `final` more words may follow."""
    words = normalized(text)
    if not final:
        return Verdict(Decision.WAIT, "speaking", "the user may say more", text)
    if not words:
        return Verdict(Decision.RESUME, "no words", "nothing was said: a cough or a noise", text)
    if made_of(words, STOP_WORDS):
        return Verdict(Decision.REGENERATE, "stop word", f"“{text}” asks for silence", text, answer=False)
    if made_of(words, LISTENING_SOUNDS):
        return Verdict(Decision.RESUME, "backchannel", f"“{text}” only says that the user listens", text)
    if made_of(words, LISTENING_SOUNDS | AGREEMENTS):
        if context.asked:
            return Verdict(Decision.REGENERATE, "answer", f"“{text}” answers a question", text)
        return Verdict(Decision.RESUME, "backchannel", f"“{text}” asks the bot to go on", text)
    return Verdict(Decision.REGENERATE, "words", f"“{text}” is meant for the bot", text)
