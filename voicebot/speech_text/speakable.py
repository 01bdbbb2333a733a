"""Turns written text into what a voice says for it, without markup, emoji and code.

It works on one word at a time. So markup that is closed in another sentence, or never, does no harm, which a parser of
whole documents could not guarantee for a text that is still being written.
"""

from __future__ import annotations

import re
import unicodedata

from voicebot.languages.schema import SpokenForms

EMOJI = (
    "\u2190-\u21ff\u2300-\u23ff\u25a0-\u2775\u2794-\u27bf\u2900-\u297f\u2b00-\u2bff\u3030\u303d\u3297\u3299"
    "\U0001f000-\U0001f0ff\U0001f10d-\U0001faff"
)
"""Pictures and arrows, for use in a character class of a regular expression. None is a letter or digit."""

_EMOJI = re.compile(rf"[{EMOJI}][{EMOJI}\ufe0f\u200d\u20e3\U000e0020-\U000e007f]*|[\ufe0e\ufe0f\u20e3©®™]")
_ARROW = re.compile(r"(?<=\w)(?:[→⇒➔➜]|[-=]>)(?=\w)|^(?:[→⇒➔➜]|[-=]>)$")
_TAG = re.compile(r"</?(?:a|b|br|code|div|em|h[1-6]|hr|i|li|ol|p|span|strong|sub|sup|u|ul)/?>", re.IGNORECASE)
_CITATION = re.compile(r"(?<=[\w.,!?])(?:\[\^?\d{1,3}\])+|\[\^\w+\]:?")
_BARE_LINK = re.compile(r"!?\[\]\(([^)\s]*)\)?")
_LINK_TARGET = re.compile(r"(?<=[^\[])\](?:\([^)\s]*\)?|\[[^\]\s]*\])")
_BRACKET = re.compile(r"!?\[|\]")
_URL = re.compile(
    r"<?(?:https?://|(?<!\w)(?=www\.))(?:[^/@\s]*@)?(?:www\.)?([^\s/:?#<>()\[\]\"']+)(\S*)", re.IGNORECASE
)
_EMAIL = re.compile(r"<?(?:mailto:)?([\w.+-]+)@([\w-]+(?:\.[\w-]+)+)>?", re.IGNORECASE)
_TIMES = re.compile(r"(?<=\d)\*(?=\d)")
_EMPHASIS = re.compile(r"\*+|~~+|`+|(?<!\w)_+|_+(?!\w)")
_JOINT = re.compile(r"_+|\\+")
_CELL_EDGE = re.compile(r"(?<=[^\s|])\|+(?=[^\s|])")
_LONG_RUN = re.compile(r"([^\w\s])\1{3,}")
_WORDS = re.compile(r"[^\W_]+")

_PUNCTUATION = ".,;:!?…।॥"
_TRAILING = _PUNCTUATION + ")]}\"'”’»*_~`"
_PAUSES = frozenset(["-", "–", "—", "--"])
_SIGNS = frozenset("&+=%/<>×÷±≈≤≥")
_JOINERS = "\u200c\u200d"
"""Invisible characters that belong to the spelling of some Indic and Persian words."""
_MOST_NAMED = 3


def has_words(text: str) -> bool:
    """Returns True if the text has a letter or digit."""
    return _WORDS.search(text) is not None


def spoken(word: str, forms: SpokenForms, *, is_code: bool = False, first_of_line: bool = False) -> str:
    """Returns what a voice says for one written word; "" for mere markup or emoji.

    The result may have several words ("example dot com"), or be punctuation alone, which makes a pause.
    """
    if is_code:
        return forms.code if has_words(word) else ""
    if word.isalnum():
        return word
    if word == ".":
        return ""  # part of a spaced ellipsis
    word = _sayable(_EMOJI.sub("", _ARROW.sub(", ", word)))
    word = _CITATION.sub("", _TAG.sub(" ", word))
    word = _LINK_TARGET.sub("", _BARE_LINK.sub(r"\1", word))
    word = _BRACKET.sub("", _address(word, forms))
    if first_of_line:
        word = word.lstrip(">")
    if not has_words(word):
        return "" if first_of_line else _sign(word.strip())
    word = _EMPHASIS.sub("", _TIMES.sub("×", word))
    word = _CELL_EDGE.sub(", ", _JOINT.sub(" ", word)).replace("|", "")
    return " ".join(_LONG_RUN.sub(r"\1\1\1", word).split())


def named(text: str) -> str:
    """Returns something to say for a text for which `spoken` returns "": its letters, or the names of its symbols."""
    if words := _WORDS.findall(text):
        return " ".join(words)
    symbols = dict.fromkeys(char for char in text if char.isprintable() and unicodedata.category(char)[0] in "SP")
    pictures = [symbol for symbol in symbols if unicodedata.category(symbol) == "So"]
    names = (unicodedata.name(symbol, "symbol").lower() for symbol in (pictures or list(symbols))[:_MOST_NAMED])
    return ", ".join(names) or "symbol"


def _sayable(word: str) -> str:
    """Returns the word without control characters, lone surrogates and the like, which engines can't handle."""
    if word.isprintable():
        return word
    return "".join(char for char in word if char.isprintable() or char.isspace() or char in _JOINERS)


def _address(word: str, forms: SpokenForms) -> str:
    """Replaces a web address by its host, and a mail address by words."""

    def dotted(name: str) -> str:
        return f" {forms.dot} ".join(filter(None, name.split(".")))

    if url := _URL.search(word):
        tail = url[2] or url[1]
        trailing = tail[len(tail.rstrip(_TRAILING + ">")) :].replace(">", "")
        return f"{word[: url.start()]}{dotted(url[1].rstrip(_TRAILING))}{trailing}"
    if "@" in word and (email := _EMAIL.search(word)):
        return f"{word[: email.start()]}{dotted(email[1])} {forms.at} {dotted(email[2])}{word[email.end() :]}"
    return word


def _sign(word: str) -> str:
    """Returns what is said for a word without letters or digits in the middle of a line."""
    if word in _PAUSES or word in _SIGNS:
        return word
    if word == "*":
        return "×"
    if word == "|":
        return ","
    return _LONG_RUN.sub(r"\1\1\1", word) if not word.strip(_PUNCTUATION) else ""
