"""End of turn from the bot's question: tells whether the text so far can be the whole answer.

One word answers a yes/no question, a short phrase one for a name, a place or a time, and a telephone number is not over
after three digits. The evidence adds to that of the words, which know nothing of the question.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from text_to_num import alpha2digit

from voicebot.dialogue.end_of_turn.evidence import RuleTally, Source, TurnEvidence
from voicebot.dialogue.end_of_turn.words import Completeness, WordRule, judge_words, letters_at_end, tokens
from voicebot.languages.loader import language_of
from voicebot.languages.schema import EndOfTurnWords, QuestionWords
from voicebot.languages.spoken import plain_text, separate_words

_SENTENCE = re.compile(r"[^.!?।॥]+[.!?।॥]*")
_LAST_CHARACTERS = 600
"""The question is looked for in no more than this, counted from the end of what the bot has said."""
_LAST_SENTENCES = 2
"""A question that more sentences than one follow is no longer open."""
_SHORT_WORDS = 4
"""An answer to an open question that has no more words is probably not over; a longer one is no yes or no."""
_ADDRESS_WORDS = 3
"""An address has a street and a number; in most countries the street has two words."""
_SHORTEST_NAME = 4
"""The letters of a short name. Fewer letters that are being spelled are probably not all."""
_LAST_WORDS = 40
"""Digits are counted in no more words than this, counted from the end."""


_TOO_SHORT = (WordRule.WEAK_WORD, WordRule.SUBJECT_AND_VERB)
"""Words that no question makes an answer."""
_NO_NUMBER = (WordRule.OPEN_WORD, WordRule.OPEN_PHRASE, WordRule.OPEN_MARK, WordRule.STALL, WordRule.REPAIR)
"""What is said after the number leaves the turn open, whatever the number."""
_WITH_TRUNK_ZERO = 10
"""A telephone number that begins with zero, as within a country, has at least this many digits (rarely nine)."""
_OH = ("oh", "o")
_ROUND = "00"
"""A number that is said in words and ends with these digits may go on: "nineteen hundred and five"."""


class QuestionRule(StrEnum):
    """What the text is as an answer."""

    YES_NO = "answers a yes/no question"
    OTHER_THAN_YES_NO = "other words after a yes/no question"
    CHOICE = "names one of the choices"
    OTHER_THAN_CHOICE = "other words after a choice"
    PHRASE = "a short phrase after a question for one"
    FEW_DIGITS = "fewer digits than were asked for"
    ENOUGH_DIGITS = "as many digits as the shortest answer has"
    ALL_DIGITS = "as many digits as were asked for"
    FEW_LETTERS = "few letters"
    MANY_LETTERS = "as many letters as a name has"
    FEW_WORDS = "few words after an open question"
    MANY_WORDS = "more words after an open question"


QUESTION_TALLIES = {
    QuestionRule.YES_NO: RuleTally(0.5, 40, 1),
    QuestionRule.OTHER_THAN_YES_NO: RuleTally(3.7, 19, 0),
    QuestionRule.CHOICE: RuleTally(3.5, 18, 0),
    QuestionRule.OTHER_THAN_CHOICE: RuleTally(2.7, 9, 0),
    QuestionRule.PHRASE: RuleTally(3.3, 108, 10),
    QuestionRule.FEW_DIGITS: RuleTally(-2.6, 0, 84),
    QuestionRule.ENOUGH_DIGITS: RuleTally(4.1, 26, 0),
    QuestionRule.ALL_DIGITS: RuleTally(4.6, 75, 1),
    QuestionRule.FEW_LETTERS: RuleTally(-2.2, 0, 16),
    QuestionRule.MANY_LETTERS: RuleTally(2.7, 11, 0),
    QuestionRule.FEW_WORDS: RuleTally(-3.6, 1, 31),
    QuestionRule.MANY_WORDS: RuleTally(1.1, 22, 1),
}
"""Fitted to the development cases of tests/benchmarks/turns/texts in which the bot had asked something, all languages
together: the figures make the sum with the evidence of the words the likeliest (a test fits again)."""


class _Kind(StrEnum):
    YES_NO = "yes/no"
    CHOICE = "a choice"
    PHRASE = "a phrase"
    OPEN = "a long answer"
    ADDRESS = "an address"
    SPELLING = "letters"
    NUMBER = "digits"


@dataclass(frozen=True, slots=True)
class _Question:
    kind: _Kind
    text: str
    """The sentence, as `separate_words` returns it."""
    least: int = 0
    most: int = 0
    """How many digits answer it."""


def question_evidence(asked: str, text: str, language: str) -> TurnEvidence | None:
    """Returns what the bot's question tells about the end of the answer; None if it tells nothing.

    `asked` is the bot's last message as far as the user heard it, `text` the words of the turn so far, and `language` a
    code such as "en".
    """
    found = judge_answer(asked, text, language)
    return found and TurnEvidence(Source.QUESTION, QUESTION_TALLIES[found[0]].log_odds, found[1])


def judge_answer(asked: str, text: str, language: str) -> tuple[QuestionRule, str] | None:
    """Returns the rule that judges the answer, and the reason; None if the question tells nothing."""
    known = language_of(language)
    question = _question(asked[-_LAST_CHARACTERS:], known.questions, known.end_of_turn, language)
    if question is None:
        return None
    of = known.end_of_turn
    fluent = _without_hesitation(plain_text(text).rstrip(), of)
    finding = judge_words(fluent, language)
    said = tuple(word for word in tokens(fluent, of)[-_LAST_WORDS:] if word not in of.hesitations)
    if not said:
        return None
    match question.kind:
        case _Kind.NUMBER:
            found = _judge_number(question, said, of, language, finding.rule)
        case _Kind.SPELLING:
            found = _judge_letters(said, of)
        case _Kind.PHRASE if of.verb_last and said[-1] in of.particles:
            found = QuestionRule.PHRASE, "may answer the question"  # as in "dilli mein"
        case _ if finding.completeness is Completeness.INCOMPLETE or finding.rule in _TOO_SHORT:
            found = None
        case _Kind.OPEN:
            few = len(said) <= _SHORT_WORDS
            rule = QuestionRule.FEW_WORDS if few else QuestionRule.MANY_WORDS
            found = rule, f"{'few' if few else 'many'} words for an open question"
        case _Kind.YES_NO:
            if finding.rule is WordRule.ANSWER:
                found = QuestionRule.YES_NO, "answers yes or no"
            elif len(said) > _SHORT_WORDS:
                found = None
            else:
                found = QuestionRule.OTHER_THAN_YES_NO, "the question asks for yes or no"
        case _Kind.CHOICE:
            named = any(f" {word} " in question.text for word in said if len(word) > 1 and word not in of.determiners)
            if named:
                found = QuestionRule.CHOICE, "names one of the choices"
            else:
                found = QuestionRule.OTHER_THAN_CHOICE, "may answer the choice"
        case _Kind.ADDRESS if len(said) < _ADDRESS_WORDS:
            found = None
        case _:
            found = QuestionRule.PHRASE, "may answer the question"
    # Somebody who hesitates goes on, so the question cannot speak for the end.
    hesitates = fluent != plain_text(text).rstrip()
    return None if found is None or (hesitates and QUESTION_TALLIES[found[0]].log_odds > 0) else found


def _without_hesitation(text: str, of: EndOfTurnWords) -> str:
    """Returns a plain text without the hesitations at its end."""
    for word in reversed(tokens(text, of)):
        if word not in of.hesitations:
            break
        text = text[: text.rindex(word)].rstrip()
    return text


def _judge_number(
    question: _Question, said: tuple[str, ...], of: EndOfTurnWords, language: str, words: WordRule
) -> tuple[QuestionRule, str] | None:
    numerals = _numerals(" ".join(said), language).split()
    count = sum(_digits(word, of) for word in numerals)
    if count == 0 or words in _NO_NUMBER:
        return None
    least = question.least
    if question.most >= _WITH_TRUNK_ZERO and _begins_with_zero(numerals, of):
        least = max(least, _WITH_TRUNK_ZERO)
    if count < least:
        return QuestionRule.FEW_DIGITS, f"{count} of {least} digits so far"
    if question.most > 1 and numerals[-1].endswith(_ROUND) and not said[-1].isdecimal():
        return QuestionRule.FEW_DIGITS, "a round number may go on"
    if count < question.most:
        return QuestionRule.ENOUGH_DIGITS, f"{count} digits may be enough"
    return QuestionRule.ALL_DIGITS, "the number is whole" if question.most > 1 else "a number answers the question"


def _begins_with_zero(numerals: list[str], of: EndOfTurnWords) -> bool:
    """Returns True if the first digit is a zero. The library leaves the English "oh" as it is."""
    first = next(word for word in numerals if _digits(word, of))
    return first.startswith("0") or first in _OH


def _judge_letters(said: tuple[str, ...], of: EndOfTurnWords) -> tuple[QuestionRule, str] | None:
    count = len(letters_at_end(said, of))
    if count == 0:
        return None
    if count < _SHORTEST_NAME:
        return QuestionRule.FEW_LETTERS, "letters are being spelled"
    return QuestionRule.MANY_LETTERS, f"{count} letters may be a name"


def _digits(word: str, of: EndOfTurnWords) -> int:
    """Returns how many digits a numeral or a number word has."""
    return sum(map(str.isdecimal, word)) or int(word in of.digits) or 2 * int(word in of.numbers)


def _numerals(text: str, language: str) -> str:
    """Returns the text with its number words as numerals, if the library knows the language."""
    try:
        return str(alpha2digit(text, language.partition("-")[0], 0))
    except ValueError:
        return text


def _question(asked: str, words: QuestionWords, of: EndOfTurnWords, language: str) -> _Question | None:
    """Returns the question that the user answers, or None if the bot's last sentences ask nothing."""
    for sentence in reversed(_SENTENCE.findall(asked)[-_LAST_SENTENCES:]):
        text = separate_words(sentence)
        marked, requested = sentence.endswith("?"), _has(text, words.requests)
        if marked or requested or _has(text, words.open):
            return _classify(text, words, of, language, marked=marked, requested=requested)
    return None


def _classify(
    text: str, words: QuestionWords, of: EndOfTurnWords, language: str, *, marked: bool, requested: bool
) -> _Question | None:
    yes_no = marked and not requested and any(text.startswith(opener) for opener in words.yes_no_openers)
    asks = requested or (_has(text, words.question_words) and not yes_no)
    asks_number = requested or not yes_no  # as in "and your card number?"
    if asks and _has(text, words.spelling):
        return _Question(_Kind.SPELLING, text)
    if _has(text, words.open) and not yes_no:
        return _Question(_Kind.OPEN, text)
    if asks_number and (count := _digits_named(text, words, language)):
        return _Question(_Kind.NUMBER, text, count, count)
    if asks_number and (ranges := [each[:2] for each in words.digit_counts if _has(text, each[2])]):
        return _Question(_Kind.NUMBER, text, *ranges[0])
    if asks and _has(text, words.addresses):
        return _Question(_Kind.ADDRESS, text)
    if marked and _has(text, words.choices):
        return _Question(_Kind.CHOICE, text)
    if asks:
        return _Question(_Kind.PHRASE, text)
    return _Question(_Kind.YES_NO, text) if marked else None


def _digits_named(text: str, words: QuestionWords, language: str) -> int:
    """Returns how many digits the question itself says that it asks for: 4 for "the four digit code"; 0 if none."""
    said = _numerals(text, language).split()
    for number, noun in pairwise(said):
        if f" {noun} " in words.digit_nouns and number.isdecimal():
            return int(number) if 0 < int(number) <= _LAST_WORDS else 0
    return 0


def _has(text: str, phrases: frozenset[str]) -> bool:
    return any(phrase in text for phrase in phrases)
