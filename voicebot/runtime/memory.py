"""Memory that nobody uses any more goes back to the system, and no garbage round holds up the sound."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import sys
from pathlib import Path
from typing import Protocol

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Of glibc's malloc.h."""

LARGE_BYTES = 256 * 1024
ROUND_S = 1.0
LATER_ROUNDS = frozenset({5, 20})
"""What sessions leave behind is not free at once: an offered connection that was never made is closed after 10 s."""
GROWN_BYTES = 8_000_000


def return_large_pieces() -> None:
    """Have glibc get large pieces of memory from the system one by one, and give them back.

    By default it learns from the first session's detector to keep megabytes in its heaps: 500 connections then took
    280 to 340 MB, up and down, and with this 297.
    """
    _glibc("mallopt", M_MMAP_THRESHOLD, LARGE_BYTES)
    _glibc("mallopt", M_TRIM_THRESHOLD, LARGE_BYTES)


def settle() -> None:
    """Take all that was loaded so far out of the garbage collector's rounds.

    They become short, which the sound needs, and frequent enough to take the cycles (aiortc's, FastRTC's) of ended
    connections with them: these grew to 0.9 MB a connection. The second round is for how many objects Python takes
    to be long-lived: it makes no full round before a quarter as many new ones are there. `app.py` had put off all
    rounds until now.
    """
    gc.collect()
    gc.freeze()
    gc.collect()
    gc.enable()


class SessionCounts(Protocol):
    """Knows how many sessions there are."""

    @property
    def sessions(self) -> int:
        """How many go on now."""
        ...

    @property
    def begun(self) -> int:
        """How many have begun so far."""
        ...


async def tidy_up(counts: SessionCounts) -> None:
    """Give memory back once sessions have begun or ended, or the process has grown: until cancelled.

    That is done at once, and again when all has been calm for a while. While somebody talks, giving back runs beside
    the event loop: 50 MB of 305 MB took 4 to 6 ms, and the loop was late by 2 ms at most. The garbage collector, which
    nothing can run beside, then waits until it is calm: it takes 3 to 18 ms, as `settle` has left it little to look at.
    """
    sessions, resident, calm_rounds = (counts.begun, counts.sessions), _resident_bytes(), max(LATER_ROUNDS)
    while True:
        await asyncio.sleep(ROUND_S)
        now = counts.begun, counts.sessions
        if now != sessions or _resident_bytes() - resident >= GROWN_BYTES:
            sessions, calm_rounds = now, 0
        else:
            calm_rounds += 1
            if calm_rounds not in LATER_ROUNDS:
                continue
        if calm_rounds or not counts.sessions:
            gc.collect()
        await asyncio.to_thread(give_back)
        resident = _resident_bytes()


def give_back() -> None:
    """What is free in this process's heaps goes back to the system."""
    _glibc("malloc_trim", 0)


def _resident_bytes() -> int:
    """The process's memory, where the system tells it in the way that Linux does; else 0."""
    try:
        return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def _glibc(function: str, *arguments: int) -> None:
    if sys.platform == "linux" and (called := getattr(ctypes.CDLL(None), function, None)) is not None:  # not in musl
        called(*arguments)
