"""Measures which functions of the package call one another while a test runs, by Python's profiler hook."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from tests.support.paths import PROJECT

PACKAGE = str(PROJECT / "voicebot")


class CallPaths:
    """Records the stack of the package's own functions at each of their calls, the innermost one last.

    A generator that is resumed counts as called by the function that resumes it. Functions of libraries and tests are
    left out.
    """

    def __init__(self) -> None:
        self.stacks: set[tuple[str, ...]] = set()

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Measures the code of the block, in the thread of its event loop."""
        sys.setprofile(self._called)
        try:
            yield
        finally:
            sys.setprofile(None)

    def _called(self, frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(PACKAGE):
            self.stacks.add(tuple(_own(frame))[::-1])

    def between(self, start: str, end: str) -> tuple[str, ...]:
        """Returns the longest path of functions by which `start` led to a call of `end`.

        Raises ValueError if there is none.
        """
        ways = [
            stack[len(stack) - 1 - stack[::-1].index(start) :]
            for stack in self.stacks
            if stack[-1] == end and start in stack
        ]
        if not ways:
            raise ValueError(f"{start} did not lead to a call of {end}")
        return max(ways, key=len)


def _own(frame: FrameType | None) -> Iterator[str]:
    while frame is not None:
        if frame.f_code.co_filename.startswith(PACKAGE):
            yield frame.f_code.co_qualname if sys.version_info >= (3, 11) else frame.f_code.co_name
        frame = frame.f_back
