"""Measures how long threads waited for the processor, which on a busy machine is no fault of the app."""

from __future__ import annotations

import os
import threading
import time


def waited_s(process: int | None = None, thread: int | None = None) -> float:
    """Returns how long a thread, usually this one, has waited since its start while others had the processor.

    Returns 0 where the system does not report it; only Linux does.
    """
    process, thread = process or os.getpid(), thread or threading.get_native_id()
    try:
        with open(f"/proc/{process}/task/{thread}/schedstat") as figures:
            return int(figures.read().split()[1]) / 1e9
    except OSError:
        return 0.0


def own_time_s() -> float:
    """Returns the time of a clock that stands still while this thread waits for the processor."""
    return time.monotonic() - waited_s()
