"""Half characters: what programs leave that cut text in the middle of a surrogate pair."""

from __future__ import annotations


def whole_characters(text: str) -> str:
    """Returns the text with a question mark for each half of a character, which UTF-8 and services do not take."""
    return text.encode("utf-8", "replace").decode()
