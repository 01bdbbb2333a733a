"""A way to wait for a condition without polling."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Signal:
    """Wakes those who wait for a condition each time something may have changed it."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Future[None]] = set()

    def notify(self) -> None:
        """Makes every waiter check its condition again."""
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)

    async def until(self, condition: Callable[[], T | None], timeout_s: float, what: str) -> T:
        """Returns the first result of `condition` that is not None. Raises TimeoutError with the description `what`."""
        try:
            async with asyncio.timeout(timeout_s):
                while (result := condition()) is None:
                    waiter = asyncio.get_running_loop().create_future()
                    self._waiting.add(waiter)
                    try:
                        await waiter
                    finally:
                        self._waiting.discard(waiter)
        except TimeoutError as error:
            raise TimeoutError(f"no {what} within {timeout_s} s") from error
        return result
