"""Finds the ends of sentences in a stream, word by word.

A decision reads only text that has arrived (`Ahead` raises `NeedMore` at its end). So the decisions are the same for
every division of the stream into tokens, and for the whole text at once. Most decisions need the text up to the first
letter or digit of the next sentence; after an abbreviation they need the whole first word of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from voicebot.languages.loader import language_of
from voicebot.speech_text.ahead import Ahead, NeedMore
from voicebot.speech_text.speakable import EMOJI

_FULL_STOPS = "。｡！？।॥؟۔։።။‼⁇⁈⁉"
"""Marks that end a sentence whatever follows: ideographic, danda, Arabic, Urdu, Armenian, Ethiopic, Burmese."""
_STOPS = ".!?…" + _FULL_STOPS
_QUOTES = "\"'”’“»›«)]}」』）】"
_CLOSERS = _QUOTES + "*_~`"
_BULLETS = "•⁃‣◦▪●"

_ALNUM = re.compile(r"[^\W_]")
_NON_SPACE = re.compile(r"\S")
_NON_LETTER = re.compile(r"[\W\d_]")
_FENCE = re.compile("```")
_WORD_END = re.compile(rf"[\s{_FULL_STOPS}]|{_FENCE.pattern}")
_AFTER_FULL_STOPS = re.compile(rf"[^{_STOPS}”’»›)\]}}」』）】]")
_ACRONYM = re.compile(r"(?:[^\W\d_]\.)+[^\W\d_]")
_JOINT = re.compile(r"[-/'’()\[\]\"“«*_~`]")
_ITEM = re.compile(r"(\(?)(\d{1,3}|[A-Ya-y])([.)]{1,2})")
_CITATIONS = re.compile(r"(?:\[\^?\w{1,3}\]){1,8}$")
_EMOJI_WORD = re.compile(rf"[^\S\n]+(?![{_BULLETS}])[{EMOJI}][^\w\s]*\s")
_LINE_MARKER = re.compile(rf"[^\S\n]*(?:[-*+–]\s|#{{1,6}}\s|[>|{_BULLETS}]|{_FENCE.pattern})")


@dataclass(frozen=True, slots=True)
class SegmentedWord:
    """The text up to the next space, with the space before it, so that all words joined are the text.

    A block of code is one word, and so is a sentence in a script without spaces. `last` is True for the last word of a
    sentence.
    """

    text: str
    is_code: bool
    first_of_line: bool
    last: bool


@dataclass(frozen=True, slots=True)
class _Sentence:
    """What is known of a sentence from its words so far."""

    words: int = 0
    """The number of words with a letter or digit."""
    first: str = ""
    previous: str = ""
    latest: str = ""
    lower_case: bool = False
    """True if it begins with a small letter, so that its writer may not capitalise sentences."""
    is_row: bool = False
    """True if it is a heading or a row of a table, which ends with its line."""
    next_item: str = ""
    """The mark of the next item of the list, "2." after "1."; empty if the sentence is no item."""
    open_code: bool = False
    """True if a single backtick has opened code and none has closed it."""
    ended: bool = False
    """True if the sentence has ended, except for an emoji that follows."""

    def with_word(self, word: str, first_of_line: bool) -> _Sentence:
        open_code = (self.open_code and not first_of_line) ^ (word.count("`") % 2 == 1)
        is_row = self.is_row or (first_of_line and not self.words and word.startswith(("#", "|")))
        alnum = _ALNUM.search(word)
        if not alnum:
            return replace(self, open_code=open_code, is_row=is_row)
        return _Sentence(
            words=self.words + 1,
            first=self.first or word,
            previous=self.latest,
            latest=word,
            lower_case=self.lower_case if self.words else alnum[0].islower(),
            is_row=is_row,
            next_item=self.next_item if self.words else _next_item(word),
            open_code=open_code,
        )

    @property
    def is_item_mark(self) -> bool:
        """True if it is nothing but "1." or "b)" so far."""
        return self.words == 1 and bool(self.next_item)


def _next_item(mark: str) -> str:
    if not (match := _ITEM.fullmatch(mark.lstrip(_BULLETS))):
        return ""
    opening, value, closing = match.groups()
    following = str(int(value) + 1) if value.isdecimal() else chr(ord(value) + 1)
    return f"{opening}{following}{closing}"


class Segmenter:
    """Splits a stream of text into words, and marks the last word of each sentence."""

    def __init__(self, language: str = "en") -> None:
        self._rules = language_of(language).segmentation
        self._begin()

    def _begin(self) -> None:
        self._ahead = Ahead()
        self._sentence = _Sentence()
        self._at_start = True

    @property
    def undecided(self) -> str:
        """The text that has arrived and belongs to no word yet."""
        return self._ahead.text

    def push(self, token: str) -> list[SegmentedWord]:
        """Returns the words that are decided now that this token has arrived."""
        self._ahead.text += token
        return self._decided()

    def finish(self) -> list[SegmentedWord]:
        """Returns the words that are left, without space at the very end. The next push begins a new text."""
        self._ahead.ended = True
        words = self._decided()
        self._begin()
        return words

    def _decided(self) -> list[SegmentedWord]:
        words: list[SegmentedWord] = []
        at = 0
        try:
            while word := self._next(at):
                words.append(word)
                at += len(word.text)
        except NeedMore:
            pass
        self._ahead.drop(at)
        return words

    def _next(self, start: int) -> SegmentedWord | None:
        """Returns the word at `start`, or None at the end of the text. Raises NeedMore before it changes anything."""
        begin = self._ahead.find(_NON_SPACE, start)
        if begin < 0:
            return None
        end = self._word_end(begin)
        following = self._ahead.find(_ALNUM, end)
        text = self._ahead.text[start:end]
        word = text[begin - start :]
        is_code = word.startswith(_FENCE.pattern) and "\n" in word
        first_of_line = self._at_start or "\n" in text[: begin - start]
        sentence = self._sentence.with_word(word, first_of_line)
        last = False
        if following >= 0 and sentence.words:
            ended = is_code or self._sentence.ended or self._ends(sentence, word, end, following)
            last = ended and not _EMOJI_WORD.match(self._ahead.text, end)
            sentence = replace(sentence, ended=True) if ended else sentence
        self._sentence = _Sentence() if last else sentence
        self._at_start = False
        return SegmentedWord(text, is_code, first_of_line, last)

    def _word_end(self, begin: int) -> int:
        ahead = self._ahead
        if ahead.starts_with(_FENCE.pattern, begin):
            close = ahead.find(_FENCE, begin + 3)
            return len(ahead.text) if close < 0 else close + 3
        end = ahead.find(_WORD_END, begin)
        if end >= 0 and ahead.text[end] in _FULL_STOPS:
            end = ahead.find(_AFTER_FULL_STOPS, end)
        return len(ahead.text) if end < 0 else end

    def _ends(self, sentence: _Sentence, word: str, end: int, following: int) -> bool:
        """Returns True if `word`, up to `end`, ends a sentence. The next letter or digit is at `following`."""
        gap = self._ahead.text[end:following]
        upcoming = gap.lstrip()
        if "\n" in gap[: len(gap) - len(upcoming)] and self._line_ends(sentence, gap, following):
            return True
        if upcoming and upcoming[0] in _BULLETS:
            return True
        if sentence.next_item and self._next_item_at(following - len(upcoming), sentence.next_item):
            return True
        word = _CITATIONS.sub("", word)
        bare = word.rstrip(_CLOSERS)
        stem = bare.rstrip(_STOPS)
        if stem == bare or stem.endswith(("[", "(")) or sentence.open_code:
            return False
        return self._stops(sentence, stem, bare[len(stem) :], word[len(bare) :], gap, following)

    def _line_ends(self, sentence: _Sentence, gap: str, following: int) -> bool:
        if sentence.is_row or gap.count("\n") > 1:
            return True
        if sentence.is_item_mark:
            return False
        return bool(_LINE_MARKER.match(gap, gap.index("\n") + 1)) or not self._ahead.text[following].islower()

    def _next_item_at(self, at: int, mark: str) -> bool:
        ahead = self._ahead
        after = at + len(mark)
        return ahead.starts_with(mark, at) and ahead.char(after).isspace() and ahead.find(_ALNUM, after) >= 0

    def _stops(self, sentence: _Sentence, stem: str, marks: str, closers: str, gap: str, following: int) -> bool:
        """Returns True if the stop `marks` after `stem`, with quotes or brackets in `closers`, end the sentence."""
        letter = self._ahead.text[following]
        closed = any(char in _QUOTES for char in closers)
        if any(mark in _FULL_STOPS for mark in marks):
            return True
        if "!" in marks or "?" in marks:
            return not letter.islower() or (sentence.lower_case and not closed)
        if not _ALNUM.search(stem) or marks != ".":
            return not gap.lstrip().startswith(".") and self._is_capitalised(following)
        return self._full_stop(sentence, stem, closed, following)

    def _full_stop(self, sentence: _Sentence, stem: str, closed: bool, following: int) -> bool:
        known = self._rules
        letter = self._ahead.text[following]
        name = _JOINT.split(stem)[-1]
        key = name if len(name) == 1 else name.casefold()
        if sentence.is_item_mark or key in known.titles or key in known.introducing:
            return False
        if key in known.numbered and letter.isdigit():
            return False
        if letter.islower():
            return sentence.lower_case and not closed and not self._is_abbreviation(name, key)
        if key in ("a.m", "p.m"):
            zone = self._word_at(following)
            if zone.casefold() in known.time_zones or (zone.isupper() and len(zone) > 1):
                return False
            return sentence.words > 4 or sentence.first.casefold() not in known.time_prepositions
        if key in known.always_capital and not sentence.previous[:1].isupper():
            return True
        if self._is_abbreviation(name, key):
            return self._word_at(following).casefold() in known.openers
        return True

    def _is_abbreviation(self, name: str, key: str) -> bool:
        known = self._rules
        return (
            key in known.abbreviations
            or (key in known.dates and name[0].isupper())
            or (len(name) == 1 and name.isupper())
            or (known.ordinals and name.isdecimal() and len(name) <= 2)
            or bool(_ACRONYM.fullmatch(name))
        )

    def _is_capitalised(self, at: int) -> bool:
        """Returns True if the letter at `at` is a capital that shows the beginning of a sentence."""
        letter = self._ahead.text[at]
        return not (letter.islower() or letter.isdigit() or self._word_at(at) in self._rules.always_capital)

    def _word_at(self, at: int) -> str:
        end = self._ahead.find(_NON_LETTER, at)
        return self._ahead.text[at:] if end < 0 else self._ahead.text[at:end]
