"""Has the user said all they want to say? Judged from the words so far, to wait for silence no longer than needed.

Rules over word classes (turn_end_words.py), not a model: a trailing word that needs another one leaves a turn open, a
question or command with all its parts closes it, and everything else is unknown. Needs neither punctuation nor
capitals, and trusts both less than the words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from voicebot.dialogue.end_of_turn.turn_end_grammar import is_open, is_whole, verb_last_open, verb_last_whole
from voicebot.languages.turn_end_words import TurnWords, plain, turn_words_of
from voicebot.languages.writing import language_of

_TOKEN = re.compile(r"\d+(?:[.,:]\d+)*|[^\W_](?:[^\s.,;:!?…।॥\-–—\"“”„«»()\[\]{}/¿¡*])*")
_SENTENCE_END = re.compile(r"[.!?।॥]+[\"”»)']*\s+(?=\S)")
_OPEN_MARK = re.compile(r"(?:…|\.\.+|[,;:\-–—])$")
_LONGEST_PHRASE = 6
_LAST_WORDS = 40
"""Only these are looked at."""
_PHONE_DIGITS = 7
"""The shortest telephone number; a shorter run of digits is still being said."""


class Completeness(StrEnum):
    COMPLETE = "complete"
    UNKNOWN = "unknown"
    INCOMPLETE = "incomplete"


@dataclass(frozen=True, slots=True)
class EndpointingDelays:
    """The silence that ends a turn, by what its words look like.

    Two utterances 400 ms apart are still one turn, whatever their words, and so are 500 ms, as recordings begin and end
    with some silence. The reply is made in the meantime: waiting costs nothing as long as that takes longer.
    """

    complete_s: float = 0.608
    unknown_s: float = 0.704
    incomplete_s: float = 1.5

    def scaled(self, stop_s: float) -> EndpointingDelays:
        """The same proportions where no words are known to need `stop_s`, not `USUAL_S`."""
        factor = stop_s / USUAL_S
        return EndpointingDelays(self.complete_s * factor, self.unknown_s * factor, self.incomplete_s * factor)


USUAL_S = 0.5
"""The silence that ends an utterance of which no words are known (`EndpointRules.stop_s`)."""

Judgement = tuple[Completeness, str]


def completeness(text: str, language: str) -> Completeness:
    """Does what the user has said so far look finished? `text` is interim, `language` a code such as "en"."""
    return _judge(text, language)[0]


def endpointing_delay_s(text: str, rules: EndpointingDelays, language: str) -> tuple[float, str]:
    """How much silence ends a turn of these words, in seconds, and why."""
    verdict, reason = _judge(text, language)
    silence_s = {
        Completeness.COMPLETE: rules.complete_s,
        Completeness.UNKNOWN: rules.unknown_s,
        Completeness.INCOMPLETE: rules.incomplete_s,
    }
    return silence_s[verdict], reason


def _complete(reason: str) -> Judgement:
    return Completeness.COMPLETE, reason


def _unknown(reason: str = "nothing tells whether more follows") -> Judgement:
    return Completeness.UNKNOWN, reason


def _incomplete(reason: str) -> Judgement:
    return Completeness.INCOMPLETE, reason


@cache
def _abbreviations(language: str) -> frozenset[str]:
    known = language_of(language)
    return frozenset(plain(word) for word in known.titles | known.inner)


def _judge(text: str, language: str) -> Judgement:
    words_of = turn_words_of(language)
    text = plain(text).strip().rstrip('"”»)').rstrip()
    words = _tokens(_SENTENCE_END.split(text)[-1], words_of)[-_LAST_WORDS:]
    if not words:
        return _unknown("no words yet")
    if mark := _OPEN_MARK.search(text):
        return _incomplete(f"ends with “{mark[0]}”")
    if text.endswith(("?", "!")):
        return _complete(f"ends with “{text[-1]}”")
    verdict, reason = _by_words(words, words_of)
    if not text.endswith((".", "।", "॥")):
        return verdict, reason
    if text.split()[-1].rstrip(".") in _abbreviations(language):
        return _incomplete(f"“{text.split()[-1]}” is an abbreviation that something follows")
    if verdict is not Completeness.INCOMPLETE:
        return _complete("ends with a full stop")
    # Recognisers close with a full stop whatever they are cut off in.
    held = words[-1] in words_of.hesitations or _digits_at_end(words, words_of)[0]
    return (verdict, reason) if held else _unknown(f"a full stop, but {reason}")


def _tokens(text: str, of: TurnWords) -> tuple[str, ...]:
    found = _TOKEN.findall(text.replace("'", "' ") if of.split_apostrophes else text)
    return tuple(word if of.split_apostrophes else word.strip("'") for word in found)


def _made_of(words: tuple[str, ...], phrases: frozenset[str]) -> bool:
    """Nothing but these phrases, one after the other?"""
    reached = {0}
    for start in range(len(words)):
        if start in reached:
            ends = range(start + 1, min(start + _LONGEST_PHRASE, len(words)) + 1)
            reached.update(end for end in ends if " ".join(words[start:end]) in phrases)
    return len(words) in reached


def _ending(words: tuple[str, ...], phrases: frozenset[str], shortest: int = 1) -> str | None:
    """The longest of the phrases that the words end with."""
    sizes = range(min(len(words), _LONGEST_PHRASE), shortest - 1, -1)
    return next((tail for size in sizes if (tail := " ".join(words[-size:])) in phrases), None)


def _digits_at_end(words: tuple[str, ...], of: TurnWords) -> tuple[int, int]:
    """How many words at the end are digits, and how many digits they are."""
    count = digits = 0
    for word in reversed(words):
        if word not in of.digits and not word.isdecimal():
            break
        count += 1
        digits += len(word) if word.isdecimal() else 1
    return count, digits


def _by_words(words: tuple[str, ...], of: TurnWords) -> Judgement:
    if _made_of(words, of.answers) and not _ending(words, of.open_endings, 3):
        return _complete("a whole answer")
    if words[-1] in of.hesitations:
        return _incomplete(f"hesitates (“{words[-1]}”)")
    if (
        len(words) > 2
        and words[-1] in of.fillers
        and (before := _by_words(words[:-1], of))[0] is Completeness.INCOMPLETE
    ):
        return before
    said = tuple(word for word in words if word not in of.hesitations)
    body, answered = said, False
    while len(body) > 1 and body[0] in of.openers:
        answered |= body[0] in of.answers
        body = body[1:]
    if _made_of(body, of.answers):
        return _complete("a whole answer")
    stalls = of.stalls | of.polite
    if _made_of(body, stalls) or _made_of(said, stalls) or _ending(said, of.stalls, 3):
        return _incomplete("asks for time")
    if len(body) == 1 and body[0] in of.openers:
        return _incomplete(f"“{body[0]}” only begins a sentence")
    if len(body) == 1 < len(said) and said[-2] in of.subordinators and body[0] in of.pronouns:
        return _incomplete(f"“{said[-2]} {body[0]}” begins a clause")
    if polite := _ending(body, of.polite):
        rest = body[: -len(polite.split())]
        verdict = _by_words(rest, of) if rest else _unknown()
        return verdict if verdict[0] is Completeness.INCOMPLETE else _complete(f"“{polite}” closes a request")
    count, digits = _digits_at_end(body, of)
    announced = count and count < len(body) and body[-count - 1] not in of.number_cues
    if count > 1 or (announced and not of.number_cues.isdisjoint(body)):
        return _incomplete("a number is being said") if digits < _PHONE_DIGITS else _unknown("a long number")
    if len(body) > 1 and all(len(word) == 1 and word not in of.objects for word in body):
        return _incomplete("letters are being spelled")
    closed = _ending(said, of.closed_endings)
    if closed is None and (phrase := _ending(said, of.open_endings)):
        head, tail = said[-len(phrase.split()) - 1 :][0], said[-1]
        # "what do you have", "that's what I want": the question word is what is had and wanted.
        asked = (body[0] in of.asking and phrase.split()[0] in of.askers) or (head in of.asking and tail in of.takers)
        if not asked or tail in of.pronouns:
            return _incomplete(f"“{phrase}” needs more")
    if len(body) > 2 and body[0] in of.dangling | of.particles and body[1] in of.asking:
        body = body[1:]
    waits = verb_last_open(body, of) if of.verb_last else is_open(body, of, answered=answered)
    if waits and closed is None:
        return _incomplete(f"“{body[-1]}” can't be the last word")
    whole = verb_last_whole(body, of) if of.verb_last else is_whole(body, of, closed=closed is not None)
    if whole:
        return _complete("a whole question or request")
    return _unknown()
