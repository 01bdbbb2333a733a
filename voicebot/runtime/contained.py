"""Runs code of strangers, so that whatever it raises is an error of its own and ends nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


class BrokenOffError(Exception):
    """Code of strangers raised something that is no Exception, such as SystemExit, which is the cause."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(f"{type(cause).__name__} was raised")
        self.__cause__ = cause


async def contained(work: Awaitable[T]) -> T:
    """Awaits code of strangers, and returns its result. Raises Exceptions only, and the cancellation of this task.

    SystemExit, which a task passes on to the event loop, would end the whole server. A CancelledError that nobody asked
    for would look as if the task were cancelled.
    """
    try:
        return await work
    except (Exception, KeyboardInterrupt):
        raise
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise BrokenOffError(error) from error
    except BaseException as error:  # such as SystemExit, or the panic of a package that is written in Rust
        raise BrokenOffError(error) from error
