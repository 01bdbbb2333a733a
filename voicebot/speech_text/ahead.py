"""A text that is still arriving, for code that may only decide on what has arrived."""

from __future__ import annotations

import re


class NeedMore(Exception):  # noqa: N818 - no error: the stream just has to go on
    """A decision needs text that has not arrived yet."""


class Ahead:
    """A text that is still arriving. A search that found nothing is later continued where it stopped."""

    def __init__(self) -> None:
        self.text = ""
        self.ended = False
        self._without: dict[re.Pattern[str], tuple[int, int]] = {}

    def drop(self, chars: int) -> None:
        """Removes characters from the start of the text."""
        if chars:
            self.text = self.text[chars:]
            self._without.clear()

    def char(self, at: int) -> str:
        """Returns the character at an offset, or "" past the end of the text. Raises NeedMore if it has not arrived."""
        if at < len(self.text):
            return self.text[at]
        if self.ended:
            return ""
        raise NeedMore

    def find(self, what: re.Pattern[str], start: int) -> int:
        """Returns the offset of the first match from `start` on, or -1 if the text ends without one.

        Raises NeedMore while a match may still arrive. A match has 3 characters at most, and does not depend on what
        follows it.
        """
        begin, clear = self._without.get(what, (start, start))  # no match begins in this range
        if not begin <= start <= clear:
            begin, clear = start, start
        match = what.search(self.text, clear)
        reached = match.start() if match else len(self.text) if self.ended else max(clear, len(self.text) - 2)
        self._without[what] = begin, reached
        if match:
            return reached
        if self.ended:
            return -1
        raise NeedMore

    def starts_with(self, prefix: str, at: int) -> bool:
        return all(self.char(at + i) == char for i, char in enumerate(prefix))
