"""Turns a text into the phonemes that the model reads, and finds the word that each belongs to.

The package normalises a text before it looks words up: "$5" becomes "5 dollars", "10/12/2019" becomes "October twelfth,
2019". So the spoken words are not the written words. `align_words` finds out which of them belong together.
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
"""How much text the model reads at once, in characters. A longer sentence is split, if possible after a comma. A digit
counts as `DIGIT` characters, because it is read as a word or more."""

DIGIT = 6

MOST_PHONEMES = 600
"""How many the model reads at once: 30 s of speech, for which its output takes 30 MB."""

LONGEST_WORD = 48
LETTERS_AT_ONCE = 24
"""A word that is longer than `LONGEST_WORD`, such as a web address, is read in pieces of this many letters. The
package's network for unknown words reads no more, and its rules take quadratic time."""

_LONG_NUMBER = re.compile(r"\d{10,}")
_LETTERS = re.compile(rf"[^\W_]{{1,{LETTERS_AT_ONCE}}}")
_TRAILING = re.compile(r"[.,;:!?…]*$")
_CLAUSE_END = re.compile(r"[,;:—–][\"”’')\]]*$")
_LATIN_SIGNS = frozenset("ªºµ")
_UNHEARD = frozenset(';:,.!?—…"“”() ')
"""Characters of the model's alphabet that are pauses and have no sound."""
_BRACKETS = str.maketrans("[]", "()")
"""The package reads "[word](/phonemes/)" as a command."""

_UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
"""Unicode's categories of control, format, surrogate, private and unassigned characters. English needs no joiners."""


class UnsuitableTextError(Exception):
    """The text cannot be read as English. The message does not quote it."""


@dataclass(frozen=True, slots=True)
class TextPiece:
    """A piece of text without spaces. `word` is the number of the word of the text that it is, or is a part of."""

    text: str
    word: int

    @property
    def weight(self) -> int:
        """The length as `LONGEST_PART` counts it, with a space."""
        return sum(DIGIT if char.isdigit() else 1 for char in self.text) + 1


@dataclass(frozen=True, slots=True)
class Phonemes:
    """What the model reads at once. `ids` begin and end with the pad.

    `word_places` holds the number of each word that has a sound, and the place of its first phoneme in `ids`. Both
    ascend.
    """

    ids: tuple[int, ...]
    word_places: tuple[tuple[int, int], ...]


def split_into_pieces(text: str) -> list[TextPiece]:
    """Splits a text at spaces and leaves out what no voice can say. Raises UnsuitableTextError."""
    pieces = []
    for number, word in enumerate(text.split()):
        if not word.isascii():
            word = _composed_latin(word)
        word = "".join(char for char in word if unicodedata.category(char) not in _UNPRINTABLE).translate(_BRACKETS)
        word = _LONG_NUMBER.sub(lambda digits: " ".join(digits[0]), word)
        pieces += [TextPiece(part, number) for whole in word.split() for part in _split_long_word(whole)]
    return pieces


def _split_long_word(word: str) -> list[str]:
    """Returns the word, or its pieces if it is very long. The last piece has the punctuation at the word's end."""
    if len(word) <= LONGEST_WORD:
        return [word]
    *pieces, last = _LETTERS.findall(word) or [""]
    trailing = _TRAILING.search(word)
    return [*pieces, last + trailing[0]] if last and trailing is not None else []


def _composed_latin(word: str) -> str:
    """Returns the word with composed accents, as the package knows them. Raises UnsuitableTextError if it is not Latin
    script."""
    word = unicodedata.normalize("NFC", word)
    for char in word:
        if char.isalpha() and char not in _LATIN_SIGNS and "LATIN" not in unicodedata.name(char, ""):
            raise UnsuitableTextError("the text has letters that are not Latin")
    return word


def split_into_parts(text: str) -> list[list[TextPiece]]:
    """Splits a text into sentences, and a sentence that is too long for the model into several parts.

    Raises UnsuitableTextError.
    """
    from hibari.tts import Hibari

    pieces = split_into_pieces(text)
    parts: list[list[TextPiece]] = []
    first = 0
    for sentence in Hibari.split_sentences(" ".join(piece.text for piece in pieces)):
        end = first + len(sentence.split())
        while first < end:
            count = _count_that_fits(pieces[first : min(end, first + LONGEST_PART)])
            parts.append(pieces[first : first + count])
            first += count
    return parts


def _count_that_fits(pieces: Sequence[TextPiece]) -> int:
    """Returns how many pieces the model reads at once: all, or up to a comma in the second half of what fits."""
    most = max(1, bisect_left(list(accumulate(piece.weight for piece in pieces)), LONGEST_PART + 1))
    if most >= len(pieces):
        return len(pieces)
    commas = (end for end in range(most, most // 2, -1) if _CLAUSE_END.search(pieces[end - 1].text))
    return next(commas, most)


def align_words(written: Sequence[str], spoken: Sequence[str]) -> list[int]:
    """Returns for each spoken word the index of the written word that it belongs to, in ascending order.

    Equal words belong together. Between them, words that were rewritten belong together one by one if they are equally
    many. Otherwise each spoken word belongs to the written word at the same share of the letters. An added word
    ("dollars") belongs to the word before it.
    """
    found = [0] * len(spoken)
    matcher = SequenceMatcher(None, [_bare(word) for word in written], [_bare(word) for word in spoken], False)
    for kind, first, last, spoken_first, spoken_last in matcher.get_opcodes():
        if kind in ("equal", "replace") and last - first == spoken_last - spoken_first:
            found[spoken_first:spoken_last] = range(first, last)
        elif kind == "replace":
            ends = list(accumulate(len(word) for word in written[first:last]))
            whole = sum(len(word) for word in spoken[spoken_first:spoken_last])
            middle = 0.0
            for place in range(spoken_first, spoken_last):
                middle += len(spoken[place]) / 2
                found[place] = first + min(bisect_left(ends, middle / whole * ends[-1]), last - first - 1)
                middle += len(spoken[place]) / 2
        elif kind == "insert":
            found[spoken_first:spoken_last] = [max(first - 1, 0)] * (spoken_last - spoken_first)
    return found


def _bare(word: str) -> str:
    """Returns the word in lower case without the punctuation around it, for comparisons."""
    return re.sub(r"^\W+|\W+$", "", word).lower() or word


class Phonemizer:
    """Pronounces English in the American or the British way. Any thread may use it. Loading takes a third of a second.

    `vocabulary` is JSON with the model's number of each phoneme.
    """

    def __init__(self, vocabulary: bytes, *, british: bool) -> None:
        from hibari.g2p import G2P
        from hibari.g2p.normalize import normalize

        self._normalize = normalize
        self._g2p = G2P(british=british)
        self._ids: dict[str, int] = json.loads(vocabulary)
        self._g2p.oov("warm")  # loads the network for unknown words, which would delay the first sentence that has one

    def phonemize(self, part: Sequence[TextPiece]) -> list[Phonemes]:
        """Returns the phonemes of a part of a text, or none if it has no sound. Raises UnsuitableTextError.

        A part that is longer when spoken than it looks ("°C" is three words) is read in two halves.
        """
        phonemes = self._phonemize_at_once(part)
        if len(phonemes.ids) > MOST_PHONEMES and len(part) > 1:
            half = len(part) // 2
            return [*self.phonemize(part[:half]), *self.phonemize(part[half:])]
        return [phonemes] if phonemes.word_places else []

    def _phonemize_at_once(self, pieces: Sequence[TextPiece]) -> Phonemes:
        normalised = self._normalize(" ".join(piece.text for piece in pieces))
        try:
            tokens = self._g2p.phonemize_tokens(self._g2p.tokenize(normalised))
        except Exception:  # noqa: BLE001 - boundary: rules for a whole language, which fail at odd texts in odd ways
            raise UnsuitableTextError("the text is too odd to be pronounced") from None
        owners = align_words([piece.text for piece in pieces], normalised.split())
        ids, word_places, spoken, last = [0], [], 0, -1
        for token in tokens:
            word = pieces[owners[min(spoken, len(owners) - 1)]].word
            for char in token.phonemes or "":
                if (number := self._ids.get(char)) is None:
                    continue
                if word > last and char not in _UNHEARD:
                    word_places.append((word, len(ids)))
                    last = word
                ids.append(number)
            if token.whitespace:
                spoken += 1
                if ids[-1] != self._ids[" "]:
                    ids.append(self._ids[" "])
        return Phonemes((*ids, 0), tuple(word_places))
