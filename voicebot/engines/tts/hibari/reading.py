"""From a text to the phonemes that the model reads, each with the word of the text that it belongs to.

The package normalises a text before it looks words up: "$5" becomes "5 dollars", "10/12/2019" becomes "October twelfth,
2019". The words that are spoken are therefore not the words that are written; `owners` finds out which of them belong
together.
"""

from __future__ import annotations

import json
import re
import unicodedata
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import accumulate

LONGEST_PART = 320
"""How much text the model reads at once: a longer sentence is cut, rather behind a comma. Counted in characters; a
digit counts as `DIGIT`, as it is read as a word or more."""

DIGIT = 6

MOST_PHONEMES = 600
"""What the model is given at once. 30 s of speech; its output for as much takes 30 MB."""

LONGEST_WORD = 48
LETTERS_AT_ONCE = 24
"""A longer word, such as a web address, is read in pieces of this many letters: the package's network for unknown words
reads no more, and its rules take quadratic time."""

_LONG_NUMBER = re.compile(r"\d{10,}")
_LETTERS = re.compile(rf"[^\W_]{{1,{LETTERS_AT_ONCE}}}")
_TRAILING = re.compile(r"[.,;:!?…]*$")
_CLAUSE_END = re.compile(r"[,;:—–][\"”’')\]]*$")
_LATIN_SIGNS = frozenset("ªºµ")
_UNHEARD = frozenset(';:,.!?—…"“”() ')
"""Of the model's alphabet: pauses, which have no sound."""
_BRACKETS = str.maketrans("[]", "()")
"""The package reads "[word](/phonemes/)" as a command."""

# Only what Unicode calls a control, format, surrogate or unassigned character; joiners are no use to English either.
_UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})


class UnsuitableTextError(Exception):
    """The text cannot be read as English. The message does not quote it."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A bit of text without spaces, and the number of the word of the text that it is, or is a part of."""

    text: str
    word: int

    @property
    def weight(self) -> int:
        return sum(DIGIT if char.isdigit() else 1 for char in self.text) + 1


@dataclass(frozen=True, slots=True)
class Phonemes:
    """What the model reads at once. `ids` begin and end with the pad; `begins` are the words of the text that sound in
    it, each with the place of its first phoneme in `ids`, both in ascending order."""

    ids: tuple[int, ...]
    begins: tuple[tuple[int, int], ...]


def pieces_of(text: str) -> list[Piece]:
    """The words of the text, split at spaces, without what no voice can say. Raises UnsuitableTextError."""
    pieces = []
    for number, word in enumerate(text.split()):
        if not word.isascii():
            word = _english(word)
        word = "".join(char for char in word if unicodedata.category(char) not in _UNPRINTABLE).translate(_BRACKETS)
        word = _LONG_NUMBER.sub(lambda digits: " ".join(digits[0]), word)
        pieces += [Piece(bit, number) for bits in word.split() for bit in _bits(bits)]
    return pieces


def _bits(word: str) -> list[str]:
    """The word; one that is very long in pieces, of which the last one has the punctuation at its end."""
    if len(word) <= LONGEST_WORD:
        return [word]
    *bits, last = _LETTERS.findall(word) or [""]
    trailing = _TRAILING.search(word)
    return [*bits, last + trailing[0]] if last and trailing is not None else []


def _english(word: str) -> str:
    """The word with its accents as the package knows them, if its letters are Latin ones."""
    word = unicodedata.normalize("NFC", word)
    for char in word:
        if char.isalpha() and char not in _LATIN_SIGNS and "LATIN" not in unicodedata.name(char, ""):
            raise UnsuitableTextError("the text has letters that are not Latin")
    return word


def parts_of(text: str) -> list[list[Piece]]:
    """The text sentence by sentence; a sentence that is too long for the model, in parts.

    Raises UnsuitableTextError.
    """
    from hibari.tts import Hibari

    pieces = pieces_of(text)
    parts: list[list[Piece]] = []
    at = 0
    for sentence in Hibari.split_sentences(" ".join(piece.text for piece in pieces)):
        end = at + len(sentence.split())
        while at < end:
            count = _fitting(pieces[at : min(end, at + LONGEST_PART)])
            parts.append(pieces[at : at + count])
            at += count
    return parts


def _fitting(pieces: Sequence[Piece]) -> int:
    """How many of the pieces the model reads at once: all, or up to a comma in the second half of what fits."""
    most = max(1, bisect_left(list(accumulate(piece.weight for piece in pieces)), LONGEST_PART + 1))
    if most >= len(pieces):
        return len(pieces)
    commas = (end for end in range(most, most // 2, -1) if _CLAUSE_END.search(pieces[end - 1].text))
    return next(commas, most)


def owners(written: Sequence[str], spoken: Sequence[str]) -> list[int]:
    """For each spoken word the written word that it belongs to, in ascending order.

    Words that are the same belong together. Of those that were rewritten between such words, as many spoken as written
    ones belong together one by one; otherwise each belongs to the written word that lies at the same share of the
    letters. What was only added ("dollars") belongs to the word before it.
    """
    found = [0] * len(spoken)
    matcher = SequenceMatcher(None, [_letters(word) for word in written], [_letters(word) for word in spoken], False)
    for kind, first, last, from_, to in matcher.get_opcodes():
        if kind in ("equal", "replace") and last - first == to - from_:
            found[from_:to] = range(first, last)
        elif kind == "replace":
            ends = list(accumulate(len(word) for word in written[first:last]))
            whole = sum(len(word) for word in spoken[from_:to])
            middle = 0.0
            for place in range(from_, to):
                middle += len(spoken[place]) / 2
                found[place] = first + min(bisect_left(ends, middle / whole * ends[-1]), last - first - 1)
                middle += len(spoken[place]) / 2
        elif kind == "insert":
            found[from_:to] = [max(first - 1, 0)] * (to - from_)
    return found


def _letters(word: str) -> str:
    """The word as it is compared: without punctuation around it."""
    return re.sub(r"^\W+|\W+$", "", word).lower() or word


class Reader:
    """Reads English aloud, as phonemes, in the American or the British way. Any thread may use it.

    Loading takes a third of a second.
    """

    def __init__(self, vocabulary: bytes, *, british: bool) -> None:
        from hibari.g2p import G2P
        from hibari.g2p.normalize import normalize

        self._normalize = normalize
        self._g2p = G2P(british=british)
        self._ids: dict[str, int] = json.loads(vocabulary)
        self._g2p.oov("warm")  # loads the network for unknown words, which would delay the first sentence that has one

    def read(self, part: Sequence[Piece]) -> list[Phonemes]:
        """A part of a text; nothing if it has no sound. Raises UnsuitableTextError.

        It is read in two halves if it is longer when spoken than it looks ("°C" are three words).
        """
        phonemes = self._read(part)
        if len(phonemes.ids) > MOST_PHONEMES and len(part) > 1:
            half = len(part) // 2
            return [*self.read(part[:half]), *self.read(part[half:])]
        return [phonemes] if phonemes.begins else []

    def _read(self, pieces: Sequence[Piece]) -> Phonemes:
        normalised = self._normalize(" ".join(piece.text for piece in pieces))
        try:
            tokens = self._g2p.phonemize_tokens(self._g2p.tokenize(normalised))
        except Exception:  # noqa: BLE001 - boundary: rules for a whole language, which fail at odd texts in odd ways
            raise UnsuitableTextError("the text is too odd to be pronounced") from None
        spoken = normalised.split()
        owner = owners([piece.text for piece in pieces], spoken)
        ids, begins, place, last = [0], [], 0, -1
        for token in tokens:
            word = pieces[owner[min(place, len(owner) - 1)]].word
            for char in token.phonemes or "":
                if (number := self._ids.get(char)) is None:
                    continue
                if word > last and char not in _UNHEARD:
                    begins.append((word, len(ids)))
                    last = word
                ids.append(number)
            if token.whitespace:
                place += 1
                if ids[-1] != self._ids[" "]:
                    ids.append(self._ids[" "])
        return Phonemes((*ids, 0), tuple(begins))
