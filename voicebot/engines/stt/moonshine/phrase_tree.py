"""Fixed phrases as a tree of tokens, so that the model can weigh many of them against one sound at little cost."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from voicebot.engines.stt.moonshine.tokenizer import END, Tokenizer


@dataclass(slots=True)
class Node:
    """The tokens that may follow here, and the phrase that is complete here, if one is."""

    following: dict[int, Node] = field(default_factory=dict)
    phrase: str | None = None


class PhraseTree:
    """The phrases by their tokens.

    A phrase is a text without the mark at its end: "Oh, really". Whatever mark follows counts as the same phrase.
    """

    def __init__(self, tokenizer: Tokenizer, phrases: Iterable[str]) -> None:
        self.root = Node()
        for phrase in phrases:
            node = self.root
            for token in tokenizer.encode(phrase):
                node = node.following.setdefault(token, Node())
            node.phrase = phrase
        stem = tokenizer.encode("Stop")
        marks = [tokenizer.encode(f"Stop{mark}")[len(stem) :] for mark in (".", ",", "?", "!", "...")]
        self.endings = [END, *(tokens[0] for tokens in marks)]
        """The tokens that end a phrase."""
