"""How long threads have waited for the processor: what a busy machine takes from a test, and not from the app."""

from __future__ import annotations

import os
import threading
import time


def waited_s(process: int | None = None, thread: int | None = None) -> float:
    """For how long a thread could have run since it began, while others had the processor; usually this thread.

    0 where the system does not tell: only Linux does.
    """
    process, thread = process or os.getpid(), thread or threading.get_native_id()
    try:
        with open(f"/proc/{process}/task/{thread}/schedstat") as figures:
            return int(figures.read().split()[1]) / 1e9
    except OSError:
        return 0.0


def own_time_s() -> float:
    """A clock that stands still while this thread waits for the processor."""
    return time.monotonic() - waited_s()
