"""How similar a recognised text is to a part of what the bot has just said."""

from __future__ import annotations

from collections.abc import Sequence

MAX_LETTERS = 300
"""A longer text is no echo: the bot falls silent soon after it hears a voice."""


def similarity(words: Sequence[str], tail: Sequence[str]) -> float:
    """Returns 1 if the letters of `words` occur in `tail` in this order without a gap, and down to 0 for other words.

    Spaces do not count, as recognisers split words differently.
    """
    said, heard = "".join(words), "".join(tail)
    if not said or len(said) > MAX_LETTERS:
        return 0.0
    return 1.0 - edits(said, heard) / len(said)


def edits(pattern: str, text: str) -> int:
    """Returns the fewest letters to change, add or remove so that the non-empty pattern occurs somewhere in the text.

    This is Myers' bit-parallel search (A fast bit-vector algorithm for approximate string matching, JACM 46, 1999).
    """
    last = 1 << (len(pattern) - 1)
    full = (last << 1) - 1
    places: dict[str, int] = {}
    for index, letter in enumerate(pattern):
        places[letter] = places.get(letter, 0) | 1 << index
    plus, minus = full, 0
    score = best = len(pattern)
    for letter in text:
        equal = places.get(letter, 0)
        vertical = equal | minus
        horizontal = (((equal & plus) + plus) ^ plus) | equal
        up = minus | ~(horizontal | plus) & full
        down = plus & horizontal
        score += 1 if up & last else -1 if down & last else 0
        up, down = up << 1 & full, down << 1 & full
        plus, minus = down | ~(vertical | up) & full, up & vertical
        best = min(best, score)
    return best


def contains(tail: Sequence[str], words: Sequence[str]) -> bool:
    """Returns True when `words` is a run of whole words of `tail`."""
    count = len(words)
    return any(tuple(tail[start : start + count]) == tuple(words) for start in range(len(tail) - count + 1))
