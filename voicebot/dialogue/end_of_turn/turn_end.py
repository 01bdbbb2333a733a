"""End of turn from words: tells from the text so far how long a silence ends the user's turn.

These are rules over word classes, not a model. A last word that needs another one leaves a turn open, a question or
command with all its parts closes it, and everything else is unknown. The rules need neither punctuation nor capitals,
and trust both less than the words.
"""

from __future__ import annotations

import re
from enum import StrEnum

from voicebot.dialogue.end_of_turn.turn_end_grammar import is_open, is_whole, verb_last_open, verb_last_whole
from voicebot.languages.loader import language_of
from voicebot.languages.schema import LONGEST_PHRASE, EndOfTurnWords
from voicebot.languages.spoken import plain_text

_TOKEN = re.compile(r"\d+(?:[.,:]\d+)*|[^\W_](?:[^\s.,;:!?…।॥\-–—\"“”„«»()\[\]{}/¿¡*])*")
_SENTENCE_END = re.compile(r"[.!?।॥]+[\"”»)']*\s+(?=\S)")
_OPEN_MARK = re.compile(r"(?:…|\.\.+|[,;:\-–—])$")
_LAST_WORDS = 40
"""The rules look at no more words than this, counted from the end."""
_PHONE_DIGITS = 7
"""The length of the shortest telephone number: the user is still dictating a shorter run of digits."""


class Completeness(StrEnum):
    COMPLETE = "complete"
    UNKNOWN = "unknown"
    INCOMPLETE = "incomplete"


Assessment = tuple[Completeness, str]


def completeness(text: str, language: str) -> Completeness:
    """Tells whether the interim `text` looks finished. `language` is a code such as "en"."""
    return _assess(text, language)[0]


def _complete(reason: str) -> Assessment:
    return Completeness.COMPLETE, reason


def _unknown(reason: str = "nothing tells whether more follows") -> Assessment:
    return Completeness.UNKNOWN, reason


def _incomplete(reason: str) -> Assessment:
    return Completeness.INCOMPLETE, reason


def _assess(text: str, language: str) -> Assessment:
    known = language_of(language)
    words_of = known.end_of_turn
    text = plain_text(text).strip().rstrip('"”»)').rstrip()
    words = _tokens(_SENTENCE_END.split(text)[-1], words_of)[-_LAST_WORDS:]
    if not words:
        return _unknown("no words yet")
    if mark := _OPEN_MARK.search(text):
        return _incomplete(f"ends with “{mark[0]}”")
    if text.endswith(("?", "!")):
        return _complete(f"ends with “{text[-1]}”")
    found, reason = _by_words(words, words_of)
    if not text.endswith((".", "।", "॥")):
        return found, reason
    if text.split()[-1].rstrip(".") in known.segmentation.never_final:
        return _incomplete(f"“{text.split()[-1]}” is an abbreviation that something follows")
    if found is not Completeness.INCOMPLETE:
        return _complete("ends with a full stop")
    # Recognisers end with a full stop even where the user breaks off.
    held = words[-1] in words_of.hesitations or _digits_at_end(words, words_of)[0]
    return (found, reason) if held else _unknown(f"a full stop, but {reason}")


def _tokens(text: str, of: EndOfTurnWords) -> tuple[str, ...]:
    found = _TOKEN.findall(text.replace("'", "' ") if of.split_apostrophes else text)
    return tuple(word if of.split_apostrophes else word.strip("'") for word in found)


def _made_of(words: tuple[str, ...], phrases: frozenset[str]) -> bool:
    """Returns True when the words are nothing but these phrases, one after the other."""
    reached = {0}
    for start in range(len(words)):
        if start in reached:
            ends = range(start + 1, min(start + LONGEST_PHRASE, len(words)) + 1)
            reached.update(end for end in ends if " ".join(words[start:end]) in phrases)
    return len(words) in reached


def _ending(words: tuple[str, ...], phrases: frozenset[str], shortest: int = 1) -> str | None:
    """Returns the longest of these phrases that the words end with, or None."""
    sizes = range(min(len(words), LONGEST_PHRASE), shortest - 1, -1)
    return next((tail for size in sizes if (tail := " ".join(words[-size:])) in phrases), None)


def _digits_at_end(words: tuple[str, ...], of: EndOfTurnWords) -> tuple[int, int]:
    """Returns how many words at the end are numerals, and how many digits these have."""
    count = digits = 0
    for word in reversed(words):
        if word not in of.digits and not word.isdecimal():
            break
        count += 1
        digits += len(word) if word.isdecimal() else 1
    return count, digits


def _by_words(words: tuple[str, ...], of: EndOfTurnWords) -> Assessment:
    if _made_of(words, of.answers) and not _ending(words, of.open_endings, 3):
        return _complete("a whole answer")
    if words[-1] in of.hesitations:
        return _incomplete(f"hesitates (“{words[-1]}”)")
    if (
        len(words) > 2
        and words[-1] in of.adverbs
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
        before = _by_words(rest, of) if rest else _unknown()
        return before if before[0] is Completeness.INCOMPLETE else _complete(f"“{polite}” closes a request")
    count, digits = _digits_at_end(body, of)
    announced = count and count < len(body) and body[-count - 1] not in of.number_cues
    if count > 1 or (announced and not of.number_cues.isdisjoint(body)):
        return _incomplete("a number is being said") if digits < _PHONE_DIGITS else _unknown("a long number")
    if len(body) > 1 and all(len(word) == 1 and word not in of.objects for word in body):
        return _incomplete("letters are being spelled")
    closed = _ending(said, of.closed_endings)
    if closed is None and (phrase := _ending(said, of.open_endings)):
        head, tail = said[-len(phrase.split()) - 1 :][0], said[-1]
        # In "what do you have" and "that's what I want" the question word is the object of the last verb.
        asked = (body[0] in of.question_words and phrase.split()[0] in of.question_verbs) or (
            head in of.question_words and tail in of.transitive_verbs
        )
        if not asked or tail in of.pronouns:
            return _incomplete(f"“{phrase}” needs more")
    if len(body) > 2 and body[0] in of.dangling | of.particles and body[1] in of.question_words:
        body = body[1:]
    waits = verb_last_open(body, of) if of.verb_last else is_open(body, of, answered=answered)
    if waits and closed is None:
        return _incomplete(f"“{body[-1]}” can't be the last word")
    whole = verb_last_whole(body, of) if of.verb_last else is_whole(body, of, closed=closed is not None)
    if whole:
        return _complete("a whole question or request")
    return _unknown()
