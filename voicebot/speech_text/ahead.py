"""Text that is still coming, read only as far as it has come."""

from __future__ import annotations

import re


class NeedMore(Exception):  # noqa: N818 - not an error: the stream has not come that far
    """The decision rests on text that has not come yet."""


class Ahead:
    """Text that is read only as far as it has come; a search goes on where it stopped."""

    def __init__(self) -> None:
        self.text = ""
        self.ended = False
        self._without: dict[re.Pattern[str], tuple[int, int]] = {}

    def drop(self, chars: int) -> None:
        """Forget what has been read."""
        if chars:
            self.text = self.text[chars:]
            self._without.clear()

    def char(self, at: int) -> str:
        """The character at an offset, "" past the end of the text."""
        if at < len(self.text):
            return self.text[at]
        if self.ended:
            return ""
        raise NeedMore

    def find(self, what: re.Pattern[str], start: int) -> int:
        """The offset of the first match from `start`, -1 if the text ends without one.

        A match may have 3 characters at most, and must be one whatever follows it.
        """
        begin, clear = self._without.get(what, (start, start))  # no match begins from `begin` to before `clear`
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
