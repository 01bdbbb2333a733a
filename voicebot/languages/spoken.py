"""Recognised text as bare words, alike however the recogniser spells: what phrases and echoes are compared by."""

from __future__ import annotations

import re
import unicodedata

_MARKS = re.compile(r"\[[^\[\]]*\]|\([^()]*\)|<[^<>]*>|\{[^{}]*\}|\*[^*]*\*|\+\+\w*\+\+")
"""What recognisers write for what is no word: "[noise]", "(laughs)", "<unk>", "*coughs*", "++NOISE++"."""

_APOSTROPHES = dict.fromkeys(map(ord, "'’‘ʼ`´"))
_JOINERS = "\u200c\u200d\u00ad"
_NUKTA = "\u093c"
_DEVANAGARI = str.maketrans({"ँ": "ं", "ी": "ि", "ू": "ु", "ई": "इ", "ऊ": "उ"})
"""Pairs of signs that recognisers (and people) use for one another."""

_RUN = re.compile(r"([^\W\d_])\1+")
_DRAWN = re.compile(r"([^\W\d_])\1\1")


def spoken_words(text: str) -> tuple[str, ...]:
    """The words in lower case, without marks of noise, punctuation, accents and apostrophes.

    Devanagari keeps its vowel signs (which `\\w` does not match); of long and short ones only one is used.
    """
    text = unicodedata.normalize("NFKD", _MARKS.sub(" ", text).casefold().translate(_APOSTROPHES))
    return tuple("".join(map(_sign, text)).translate(_DEVANAGARI).split())


def collapsed(word: str) -> str:
    """Every run of a letter as one letter: "hmmm", "hmm" and "hm" are alike."""
    return _RUN.sub(r"\1", word)


def drawn_out(word: str) -> bool:
    """Is some letter written three times or more, as in "sooo"?"""
    return _DRAWN.search(word) is not None


def _sign(character: str) -> str:
    """What a character counts as in a word: itself, a space, or nothing."""
    category = unicodedata.category(character)
    if (category == "Mn" and character < "\u0370") or character == _NUKTA or character in _JOINERS:
        return ""
    return character if category[0] in "LMN" else " "
