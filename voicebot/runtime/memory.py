"""Returns unused memory to the system, and keeps garbage collection from delaying the audio."""

from __future__ import annotations

import asyncio
import asyncio.selector_events
import ctypes
import gc
import os
import sys
from pathlib import Path
from typing import Any, Protocol

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Parameters of `mallopt`, from glibc's malloc.h."""

LARGE_BYTES = 256 * 1024
READ_BYTES = 64 * 1024
"""The largest UDP datagram has this size."""
ROUND_S = 1.0
"""The interval at which `tidy_up` checks for changes."""
LATER_ROUNDS = frozenset({5, 20})
"""After this many checks without a change, memory is returned once more. Some memory of a session becomes free late: an
offered connection that was never made is closed after 10 s."""
GROWN_BYTES = 8_000_000
"""Growth of the resident memory that counts as a change."""


def return_large_pieces() -> None:
    """Makes glibc map large blocks of memory individually, and unmap them when they are freed.

    By default glibc raises its thresholds after the first session's detector, and then keeps megabytes in its heaps:
    500 connections took 280 to 340 MB with much variation. With fixed thresholds they took 297 MB.
    """
    _glibc("mallopt", M_MMAP_THRESHOLD, LARGE_BYTES)
    _glibc("mallopt", M_TRIM_THRESHOLD, LARGE_BYTES)


def read_small_pieces() -> None:
    """Makes asyncio reserve `READ_BYTES` for each read from a socket, instead of 256 KiB.

    glibc maps and unmaps so large a block for each datagram: reading one took 14 us, and now takes 2.
    """
    transport: Any = getattr(asyncio.selector_events, "_SelectorTransport", None)
    if hasattr(transport, "max_size"):
        transport.max_size = READ_BYTES


def settle() -> None:
    """Freezes all objects loaded so far, so that garbage collection ignores them, and enables it.

    `app.py` has disabled it until now. Collections become short, as the audio needs, and frequent enough to free the
    reference cycles of ended connections (aiortc's, FastRTC's), which grew to 0.9 MB per connection. The second
    collection resets Python's count of long-lived objects: Python does no full collection before a quarter as many
    new ones exist.
    """
    gc.collect()
    gc.freeze()
    gc.collect()
    gc.enable()


class SessionCounts(Protocol):
    """Counts sessions."""

    @property
    def sessions(self) -> int:
        """The number of present sessions."""
        ...

    @property
    def begun(self) -> int:
        """The number of sessions that have begun so far."""
        ...


async def tidy_up(counts: SessionCounts) -> None:
    """Returns free memory to the system after sessions have begun or ended or the process has grown, until cancelled.

    It does so at once, and again after some rounds without a change. Memory is returned in a thread, which delays the
    event loop by 2 ms at most: returning 50 MB of 305 MB took 4 to 6 ms. Garbage collection stops all threads for 3 to
    18 ms, so during sessions it waits for a round without a change.
    """
    sessions, resident, rounds_without_change = (counts.begun, counts.sessions), _resident_bytes(), max(LATER_ROUNDS)
    while True:
        await asyncio.sleep(ROUND_S)
        now = counts.begun, counts.sessions
        if now != sessions or _resident_bytes() - resident >= GROWN_BYTES:
            sessions, rounds_without_change = now, 0
        else:
            rounds_without_change += 1
            if rounds_without_change not in LATER_ROUNDS:
                continue
        if rounds_without_change or not counts.sessions:
            gc.collect()
        await asyncio.to_thread(return_free_memory)
        resident = _resident_bytes()


def return_free_memory() -> None:
    """Returns the free memory of this process's heaps to the system."""
    _glibc("malloc_trim", 0)


def _resident_bytes() -> int:
    """Returns the resident memory of this process, or 0 where /proc does not exist."""
    try:
        return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def _glibc(function: str, *arguments: int) -> None:
    """Calls a function of glibc, if the C library has it: musl does not."""
    if sys.platform == "linux" and (called := getattr(ctypes.CDLL(None), function, None)) is not None:
        called(*arguments)
