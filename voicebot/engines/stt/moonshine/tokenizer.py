"""The tokens of the Moonshine models: text to tokens and back, and fixed phrases as a tree of tokens."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

START = 1
END = 2

_SPACE = "\u2581"
_LONG = 128
"""A length from here on takes two bytes: seven bits in the first, the rest in the second."""
_FIRST_BYTE = 3
"""The tokens 3 to 258 are the 256 single bytes, with which any text can be written."""
_FIRST_SPECIAL = 32_000
"""Tokens from here on are reserved for special uses and have no text."""


class Tokenizer:
    """Byte-pair encoding. Of two possible merges the one with the lower token number comes first."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces
        self._numbers: dict[str, int] = {}
        for number, piece in enumerate(pieces[_FIRST_BYTE + 256 : _FIRST_SPECIAL], _FIRST_BYTE + 256):
            self._numbers.setdefault(piece.decode("utf-8", "replace"), number)

    @classmethod
    def from_bytes(cls, data: bytes) -> Tokenizer:
        """Reads a `tokenizer.bin`: for each token its length (one byte, or two from 128 on) and its bytes.

        Raises ValueError if the file ends in the middle of a token.
        """
        pieces = []
        at = 0
        while at < len(data):
            size = data[at]
            at += 1
            if size >= _LONG:
                if at == len(data):
                    raise ValueError("the token file ends in the middle of a length")
                size += (data[at] - 1) * _LONG
                at += 1
            if at + size > len(data):
                raise ValueError("the token file ends in the middle of a token")
            pieces.append(data[at : at + size])
            at += size
        return cls(pieces)

    def __len__(self) -> int:
        return len(self._pieces)

    def decode(self, tokens: Iterable[int]) -> str:
        """Returns the text of the tokens. Start, end and special tokens have no text."""
        joined = b"".join(self._pieces[token] for token in tokens if END < token < _FIRST_SPECIAL)
        return joined.decode("utf-8", "replace").replace(_SPACE, " ").strip()

    def encode(self, text: str) -> list[int]:
        """Returns the tokens that the model would write for this text, without start and end."""
        words = text.split()
        return [token for word in words for token in self._encode_word(_SPACE + word)]

    def _encode_word(self, word: str) -> list[int]:
        parts = list(word)
        while len(parts) > 1:
            pairs = ((self._numbers.get(a + b), at) for at, (a, b) in enumerate(pairwise(parts)))
            known = [(number, at) for number, at in pairs if number is not None]
            if not known:
                break
            _, at = min(known)
            parts[at : at + 2] = [parts[at] + parts[at + 1]]
        return [token for part in parts for token in self._encode_part(part)]

    def _encode_part(self, part: str) -> list[int]:
        number = self._numbers.get(part)
        return [_FIRST_BYTE + byte for byte in part.encode()] if number is None else [number]


@dataclass(slots=True)
class PhraseNode:
    """The tokens that may follow, and the phrase that is complete here; None if none is."""

    following: dict[int, PhraseNode] = field(default_factory=dict)
    phrase: str | None = None


class PhraseTree:
    """Fixed phrases, so that the model can score many of them against one sound at little cost.

    A phrase is a text without its final punctuation: "Oh, really". It counts with any punctuation after it.
    """

    def __init__(self, tokenizer: Tokenizer, phrases: Iterable[str]) -> None:
        self.root = PhraseNode()
        for phrase in phrases:
            node = self.root
            for token in tokenizer.encode(phrase):
                node = node.following.setdefault(token, PhraseNode())
            node.phrase = phrase
        stem = tokenizer.encode("Stop")
        punctuation = [tokenizer.encode(f"Stop{mark}")[len(stem) :] for mark in (".", ",", "?", "!", "...")]
        self.endings = [END, *(tokens[0] for tokens in punctuation)]
        """The tokens that may end a phrase."""
