"""Turns a user's text, typed or transcribed, into plain lower-case words."""

from __future__ import annotations

import re
import unicodedata
from functools import cache

from text_to_num import alpha2digit

from voicebot.runtime.limits import OFFLINE_CHARS, OFFLINE_WORDS

_CONTRACTIONS = (
    (r"\bwon'?t\b", "will not"),
    (r"\b(?:can'?t|cannot)\b", "can not"),
    (r"\b(do|does|did|is|are|was|have|would|could|should)n'?t\b", r"\1 not"),
    (r"\b(what|who|where|how|when|it|that|there)'?s\b", r"\1 is"),
    (r"\b(what|how|where|who)'d\b", r"\1 did"),
    (r"\b(you|we|they|what|who)'re\b", r"\1 are"),
    (r"\bi'?m\b", "i am"),
    (r"\b(\w+)'ll\b", r"\1 will"),
    (r"\b(\w+)'ve\b", r"\1 have"),
    (r"\b(i|you|we|they)'d\b", r"\1 would"),
    (r"(?<=\d),(?=\d{3}\b)|'", ""),
    (r"(?<=[a-z])-(?=[a-z])", " "),
)
_ABBREVIATIONS = (
    (r"\b([ap])\.\s?m\b\.?", r"\1m"),
    (r"\b(?:u\.s\.a?\.?)(?=\W|$)", "us"),
    (r"\ban? (?=\d+\b)", ""),
    (r"\b(\d+) and a half\b", r"\1.5"),
)
_TOKEN = re.compile(
    r"\d+:\d\d|\d+(?:st|nd|rd|th)s?\b|\d+(?:\.\d+)?|\.\d+|[^\W\d_]+|\*\*|[-+*/^%()×÷√]"
    # The end of a sentence, but not the full stop of an abbreviation.
    r"|(?<=\w)(?<!\b(?:st|dr|mr))[.?!](?=\s)"
)
_SENTENCE_END = re.compile(r" \. | \.$")
_CLAUSE_START = re.compile(r" (?=(?:(?:and|but|so|then) )*(?:what|which|how|when|who|why|tell) )")


def words_of(text: str) -> list[str]:
    """Returns the words, numbers and arithmetic signs of `text` in lower case, with "." between sentences.

    Contractions are written out and numbers are in digits: "twenty-five" is "25", "the third" is "the 3rd". Only the
    end of a long text is read, because people ask last what they want to know.
    """
    plain = unicodedata.normalize("NFKC", text[-OFFLINE_CHARS:])[-OFFLINE_CHARS:].lower().replace("’", "'")
    plain = " ".join(plain.split()[-OFFLINE_WORDS:])
    for pattern, replacement in _CONTRACTIONS:
        plain = re.sub(pattern, replacement, plain)
    plain = alpha2digit(plain, "en", threshold=0)
    for pattern, replacement in _ABBREVIATIONS:
        plain = re.sub(pattern, replacement, plain)
    return ["." if token in "?!" else token for token in _TOKEN.findall(plain)[-OFFLINE_WORDS:]]


def clauses_of(text: str) -> list[list[str]]:
    """Returns the sentences of `text` in plain words, each as its clauses: a new one begins at a question word."""
    sentences = _SENTENCE_END.split(" ".join(words_of(text)))
    return [_CLAUSE_START.split(sentence) for sentence in sentences if sentence]


def bare_words(text: str) -> list[str]:
    """Returns the words of one of the bot's own texts, without case and punctuation, to find it again in a message."""
    return re.findall(r"[^\W_]+", text.lower().replace("'", ""))


def capitalized(text: str) -> str:
    """Returns `text` with a capital at its start; the rest stays as it is."""
    return text[:1].upper() + text[1:]


@cache
def word_set(words: str) -> frozenset[str]:
    """Returns the words of a list that is written as one text."""
    return frozenset(words.split())
