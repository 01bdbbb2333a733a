"""End of turn from words: tells from the text so far whether the user's turn is over.

These are rules over word classes, not a model. A last word that needs another one leaves a turn open, a question or
command with all its parts closes it, a statement may be whole, and other words tell little. The rules need neither
punctuation nor capitals, and trust both less than the words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from itertools import takewhile

from voicebot.dialogue.end_of_turn.evidence import RuleTally, Source, TurnEvidence
from voicebot.dialogue.end_of_turn.grammar import (
    could_be_statement,
    ends_with_open_number,
    is_open,
    is_short_yes_no,
    is_subject_and_verb,
    is_subordinate,
    is_weak,
    is_whole,
    verb_last_open,
    verb_last_whole,
)
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
_SHORTEST_CODE = 3
"""A number with this many digits after a word such as "number" is no number that counts or names something."""
_LONG_WORDS = 5
"""This many words that no rule leaves open count as a statement, whatever they begin with."""
_LONG_COMMAND = 6
"""A command with this many words is hardly ever left unfinished where it could be whole."""


class Completeness(StrEnum):
    COMPLETE = "complete"
    UNKNOWN = "unknown"
    INCOMPLETE = "incomplete"


class WordRule(StrEnum):
    """The rule that judges a text."""

    ANSWER = "a whole answer"
    POLITE_END = "closes a request"
    MARK = "question mark or exclamation mark"
    WH_QUESTION = "a whole question that begins with a question word"
    QUESTION = "another whole question or request"
    SHORT_YES_NO = "a short yes/no question that says no place or time"
    LONG_COMMAND = "a whole command of six words or more"
    COMMAND = "a shorter whole command"
    FULL_STOP = "a full stop after words that no other rule closes"
    STATEMENT = "a statement that may be whole, or five words that no rule leaves open"
    FRAGMENT = "fewer words, and no statement"
    NO_WORDS = "no words"
    LONG_NUMBER = "a long number"
    DOUBTED_STOP = "a full stop after a word that can't be the last"
    SUBJECT_AND_VERB = "a subject and one more word"
    WEAK_WORD = "a word that is rarely the last"
    OPEN_NUMBER = "a number that may count what follows"
    CLAUSE = "a clause before its main clause"
    REPAIR = "corrects or repeats itself"
    NUMBER = "a number is being said"
    SPELLING = "letters are being spelled"
    OPEN_MARK = "a comma, a colon, a dash or dots"
    STALL = "asks for time"
    OPENER = "only begins a sentence"
    OPEN_PHRASE = "a phrase that needs more"
    OPEN_WORD = "a word that can't be the last"
    HESITATION = "hesitates"


STRONGEST = 3.0
"""The most that words can change the log-odds: 95 % of even odds. Counts of written cases prove no more."""

WORD_TALLIES = {
    WordRule.ANSWER: RuleTally(3.0, 98, 4),
    WordRule.POLITE_END: RuleTally(2.91, 13, 0),
    WordRule.MARK: RuleTally(2.41, 16, 1),
    WordRule.WH_QUESTION: RuleTally(2.55, 67, 6),
    WordRule.QUESTION: RuleTally(2.38, 81, 9),
    WordRule.SHORT_YES_NO: RuleTally(1.43, 18, 5),
    WordRule.LONG_COMMAND: RuleTally(3.0, 29, 0),
    WordRule.COMMAND: RuleTally(1.3, 52, 18),
    WordRule.FULL_STOP: RuleTally(1.19, 4, 1),
    WordRule.STATEMENT: RuleTally(1.39, 155, 50),
    WordRule.FRAGMENT: RuleTally(-1.64, 11, 80),
    WordRule.NO_WORDS: RuleTally(0.0, 0, 0),
    WordRule.LONG_NUMBER: RuleTally(0.12, 5, 6),
    WordRule.DOUBTED_STOP: RuleTally(-2.29, 0, 12),
    WordRule.SUBJECT_AND_VERB: RuleTally(0.07, 8, 10),
    WordRule.WEAK_WORD: RuleTally(-1.87, 1, 16),
    WordRule.OPEN_NUMBER: RuleTally(-0.68, 4, 12),
    WordRule.CLAUSE: RuleTally(-2.72, 0, 19),
    WordRule.REPAIR: RuleTally(-3.0, 0, 32),
    WordRule.NUMBER: RuleTally(-2.21, 1, 23),
    WordRule.SPELLING: RuleTally(-0.64, 1, 4),
    WordRule.OPEN_MARK: RuleTally(-1.52, 0, 5),
    WordRule.STALL: RuleTally(-3.0, 0, 28),
    WordRule.OPENER: RuleTally(-3.0, 0, 30),
    WordRule.OPEN_PHRASE: RuleTally(-3.0, 0, 41),
    WordRule.OPEN_WORD: RuleTally(-3.0, 1, 293),
    WordRule.HESITATION: RuleTally(-3.0, 0, 39),
}
"""Counted over the development cases of tests/benchmarks/turns/texts in which the bot had asked nothing, all languages
together: how much likelier the rule is in a whole turn than in an unfinished one, with one case of each added (a test
counts again). A hesitation is the strongest of all signs against the end, so that an "um" more never makes it
likelier."""

_REQUESTS = frozenset(
    {
        WordRule.POLITE_END,
        WordRule.MARK,
        WordRule.WH_QUESTION,
        WordRule.QUESTION,
        WordRule.SHORT_YES_NO,
        WordRule.LONG_COMMAND,
        WordRule.COMMAND,
    }
)
_COMPLETE = _REQUESTS | {WordRule.ANSWER, WordRule.FULL_STOP}
_INCOMPLETE = frozenset(
    {
        WordRule.CLAUSE,
        WordRule.REPAIR,
        WordRule.NUMBER,
        WordRule.SPELLING,
        WordRule.OPEN_MARK,
        WordRule.STALL,
        WordRule.OPENER,
        WordRule.OPEN_PHRASE,
        WordRule.OPEN_WORD,
        WordRule.HESITATION,
    }
)


@dataclass(frozen=True, slots=True)
class WordFinding:
    """The rule that judges a text, and why."""

    rule: WordRule
    reason: str

    @property
    def completeness(self) -> Completeness:
        if self.rule in _COMPLETE:
            return Completeness.COMPLETE
        return Completeness.INCOMPLETE if self.rule in _INCOMPLETE else Completeness.UNKNOWN

    @property
    def open(self) -> bool:
        return self.completeness is Completeness.INCOMPLETE

    @property
    def request(self) -> bool:
        """Whether the words are a whole question or command."""
        return self.rule in _REQUESTS

    @property
    def evidence(self) -> TurnEvidence:
        return TurnEvidence(Source.WORDS, WORD_TALLIES[self.rule].log_odds, self.reason)


def word_evidence(text: str, language: str) -> TurnEvidence:
    """Returns what the words of the turn so far tell about its end. `language` is a code such as "en"."""
    return judge_words(text, language).evidence


def completeness(text: str, language: str) -> Completeness:
    """Tells whether the interim `text` looks finished. `language` is a code such as "en"."""
    return judge_words(text, language).completeness


def judge_words(text: str, language: str) -> WordFinding:
    """Returns the rule that judges the words of the turn so far. `language` is a code such as "en"."""
    known = language_of(language)
    words_of = known.end_of_turn
    text = plain_text(text).strip().rstrip('"”»)').rstrip()
    words = tokens(_SENTENCE_END.split(text)[-1], words_of)[-_LAST_WORDS:]
    if not words:
        return WordFinding(WordRule.NO_WORDS, "no words yet")
    if words[-1] in words_of.hesitations:
        return _hesitates(words[-1])
    if mark := _OPEN_MARK.search(text):
        return WordFinding(WordRule.OPEN_MARK, f"ends with “{mark[0]}”")
    if text.endswith(("?", "!")):
        return WordFinding(WordRule.MARK, f"ends with “{text[-1]}”")
    found = _by_words(words, words_of)
    if not text.endswith((".", "।", "॥")):
        return found
    if text.split()[-1].rstrip(".") in known.segmentation.never_final:
        return WordFinding(WordRule.OPEN_WORD, f"“{text.split()[-1]}” is an abbreviation that something follows")
    if found.completeness is Completeness.COMPLETE:
        return found
    if not found.open:
        return WordFinding(WordRule.FULL_STOP, "ends with a full stop")
    # Recognisers end with a full stop even where the user breaks off.
    held = digits_at_end(words, words_of)[0]
    return found if held else WordFinding(WordRule.DOUBTED_STOP, f"a full stop, but {found.reason}")


def tokens(text: str, of: EndOfTurnWords) -> tuple[str, ...]:
    """Returns the words of a plain text, without punctuation."""
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


def digits_at_end(words: tuple[str, ...], of: EndOfTurnWords) -> tuple[int, int]:
    """Returns how many words at the end are numerals, and how many digits these have."""
    count = digits = 0
    for word in reversed(words):
        if word not in of.digits and not word.isdecimal():
            break
        count += 1
        digits += len(word) if word.isdecimal() else 1
    return count, digits


def letters_at_end(words: tuple[str, ...], of: EndOfTurnWords) -> str:
    """Returns the letters that the words end with. A letter that is also a word only counts among other letters."""
    if all(len(word) == 1 and word.isalpha() and word not in of.objects for word in words):
        return "".join(words)
    no_letters = of.dangling | of.particles | of.pronouns | of.auxiliaries | of.question_verbs
    letters = takewhile(lambda word: len(word) == 1 and word.isalpha() and word not in no_letters, reversed(words))
    return "".join(letters)[::-1]


def _hesitates(word: str) -> WordFinding:
    return WordFinding(WordRule.HESITATION, f"hesitates (“{word}”)")


def _repeats_itself(words: tuple[str, ...], of: EndOfTurnWords) -> str | None:
    """Returns the words that the user has just said twice, as in "can you can you", or None."""
    for size in (3, 2, 1):
        again = words[-size:]
        if len(words) < 2 * size or words[-2 * size : -size] != again or _made_of(again, of.answers):
            continue
        if all(word not in of.digits and not word.isdecimal() for word in words[-2 * size - 1 :]):
            return " ".join(again)
    return None


def _by_words(words: tuple[str, ...], of: EndOfTurnWords) -> WordFinding:
    if _made_of(words, of.answers) and not _ending(words, of.open_endings, 3):
        return WordFinding(WordRule.ANSWER, "a whole answer")
    if words[-1] in of.hesitations:
        return _hesitates(words[-1])
    if len(words) > 2 and words[-1] in of.adverbs and (before := _by_words(words[:-1], of)).open:
        return before
    said = tuple(word for word in words if word not in of.hesitations)
    if (again := _repeats_itself(said, of)) and len("".join(said)) > len(said):
        return WordFinding(WordRule.REPAIR, f"says “{again}” again")
    body, answered = said, False
    while len(body) > 1 and body[0] in of.openers:
        answered |= body[0] in of.answers
        body = body[1:]
    if _made_of(body, of.answers):
        return WordFinding(WordRule.ANSWER, "a whole answer")
    polite = _ending(body, of.polite)
    stalls = of.stalls | of.polite
    if (_made_of(body, stalls) and not (answered and polite)) or _made_of(said, stalls) or _ending(said, of.stalls, 3):
        return WordFinding(WordRule.STALL, "asks for time")
    if (phrase := _ending(said, of.repairs)) and len(said) > len(phrase.split()):
        return WordFinding(WordRule.REPAIR, f"“{phrase}” begins a correction")
    if len(body) == 1 and body[0] in of.openers and not (answered and polite):
        return WordFinding(WordRule.OPENER, f"“{body[0]}” only begins a sentence")
    if len(body) == 1 < len(said) and said[-2] in of.subordinators and body[0] in of.pronouns:
        return WordFinding(WordRule.OPEN_PHRASE, f"“{said[-2]} {body[0]}” begins a clause")
    if polite:
        rest = body[: -len(polite.split())]
        if rest and (before := _by_words(rest, of)).open:
            return before
        return WordFinding(WordRule.POLITE_END, f"“{polite}” closes a request")
    count, digits = digits_at_end(body, of)
    # "Number five" is a name; a longer number is being said.
    announced = 0 < count < len(body) and (body[-count - 1] not in of.number_cues or digits >= _SHORTEST_CODE)
    if count > 1 or (announced and not of.number_cues.isdisjoint(body)):
        if digits < _PHONE_DIGITS:
            return WordFinding(WordRule.NUMBER, "a number is being said")
        return WordFinding(WordRule.LONG_NUMBER, "a long number")
    if len(letters_at_end(body, of)) > 1:
        return WordFinding(WordRule.SPELLING, "letters are being spelled")
    closed = _ending(said, of.closed_endings)
    if closed is None and (phrase := _ending(said, of.open_endings)):
        head, tail = said[-len(phrase.split()) - 1 :][0], said[-1]
        # In "what do you have" and "that's what I want" the question word is the object of the last verb.
        asked = (body[0] in of.question_words and phrase.split()[0] in of.question_verbs) or (
            head in of.question_words and tail in of.transitive_verbs
        )
        if not asked or tail in of.pronouns:
            return WordFinding(WordRule.OPEN_PHRASE, f"“{phrase}” needs more")
    # As in "for how long", "that's what I want".
    late_question = len(body) > 2 and body[0] in of.dangling | of.particles and body[1] in of.question_words
    core = body[1:] if late_question else body
    waits = verb_last_open(core, of) if of.verb_last else is_open(core, of, answered=answered)
    if waits and closed is None:
        return WordFinding(WordRule.OPEN_WORD, f"“{body[-1]}” can't be the last word")
    if opener := is_subordinate(core, of):
        return WordFinding(WordRule.CLAUSE, f"“{opener}” begins a clause that another one follows")
    whole = verb_last_whole(core, of) if of.verb_last else is_whole(core, of, closed=closed is not None)
    if whole and core[0] in of.commands:
        rule = WordRule.LONG_COMMAND if len(core) >= _LONG_COMMAND else WordRule.COMMAND
        return WordFinding(rule, "a whole command")
    if whole and not of.verb_last and is_short_yes_no(core, of):
        return WordFinding(WordRule.SHORT_YES_NO, "a question that a place or a time may follow")
    if whole:
        rule = WordRule.WH_QUESTION if core[0].partition("'")[0] in of.question_words else WordRule.QUESTION
        return WordFinding(rule, "a whole question or request")
    if is_weak(body, of):
        return WordFinding(WordRule.WEAK_WORD, f"“{body[-1]}” is rarely the last word")
    if len(body) > 2 and ends_with_open_number(body, of):
        return WordFinding(WordRule.OPEN_NUMBER, f"“{body[-1]}” may count what follows")
    if not of.verb_last and is_subject_and_verb(body, of):
        return WordFinding(WordRule.SUBJECT_AND_VERB, "a subject and a verb, but nothing more")
    if not of.verb_last and (len(body) >= _LONG_WORDS or could_be_statement(body, of)):
        return WordFinding(WordRule.STATEMENT, "could be whole, or go on")
    return WordFinding(WordRule.FRAGMENT, "nothing tells whether more follows")
