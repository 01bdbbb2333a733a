"""Normalised text: the forms in which words are compared, however a recogniser spells them."""

from __future__ import annotations

import re
import unicodedata

_NOISE_MARK = re.compile(r"\[[^\[\]]*\]|\([^()]*\)|<[^<>]*>|\{[^{}]*\}|\*[^*]*\*|\+\+\w*\+\+")
"""What recognisers write for a sound that is no word: "[noise]", "(laughs)", "<unk>", "*coughs*", "++NOISE++"."""

_APOSTROPHES = dict.fromkeys(map(ord, "'’‘ʼ`´"))
_JOINERS = "\u200c\u200d\u00ad"
_NUKTA = "\u093c"
_DEVANAGARI = {"ँ": "ं", "ी": "ि", "ू": "ु", "ई": "इ", "ऊ": "उ"}
"""Pairs of signs that recognisers, and people, use for one another."""

_BETWEEN = re.compile(r"[\s.,;:!?…।॥\-–—\"“”„«»()\[\]{}/¿¡*']+")

_RUN = re.compile(r"([^\W\d_])\1+")
_DRAWN = re.compile(r"([^\W\d_])\1\1")


def spoken_words(text: str) -> tuple[str, ...]:
    """Returns the words in lower case, without marks of noise, punctuation, accents and apostrophes.

    Words in Devanagari keep their vowel signs, but long and short vowels are made alike.
    """
    text = unicodedata.normalize("NFKD", _NOISE_MARK.sub(" ", text).casefold().translate(_APOSTROPHES))
    return tuple(text.translate(_SIGNS).split())


def plain_text(text: str) -> str:
    """Returns the text casefolded and composed (NFC), with one kind of apostrophe and one nasal sign for Hindi.

    Accents and punctuation stay: the rules for the end of a turn need them.
    """
    text = unicodedata.normalize("NFC", text.casefold())
    return text.replace("’", "'").replace("ँ", "ं").replace("़", "")


def separate_words(text: str) -> str:
    """Returns the text as `plain_text` does, with one space in place of all that stands between and around its words.

    Apostrophes and hyphens separate words too. "What's up?" becomes " what s up ".
    """
    return f" {_BETWEEN.sub(' ', plain_text(text)).strip()} "


def collapsed(word: str) -> str:
    """Returns the word with each run of a letter as one letter: "hmmm", "hmm" and "hm" become the same."""
    return _RUN.sub(r"\1", word)


def drawn_out(word: str) -> bool:
    """Tells whether a letter stands three times or more in a row, as in "sooo"."""
    return _DRAWN.search(word) is not None


class _Signs(dict[int, str]):
    """A table for `str.translate`: what a character of decomposed text counts as. It is filled as characters come."""

    _MOST = 4_096
    """Text from outside must not let the table grow without end."""

    def __missing__(self, code_point: int) -> str:
        sign = self._of(chr(code_point))
        if len(self) < self._MOST:
            self[code_point] = sign
        return sign

    @staticmethod
    def _of(character: str) -> str:
        category = unicodedata.category(character)
        if (category == "Mn" and character < "\u0370") or character == _NUKTA or character in _JOINERS:
            return ""
        return _DEVANAGARI.get(character, character) if category[0] in "LMN" else " "


_SIGNS = _Signs()
