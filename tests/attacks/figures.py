"""Measures the resources that the app holds and uses, from outside."""

from __future__ import annotations

import asyncio
import contextlib
import os
import stat
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.support.app_process import App

MB = 1e6

STEADY_MB = 3.0
"""Memory counts as steady if it changes by less than this in a second, or during a measurement."""

GROWN_UP_S = 10.0
"""A process of this age has loaded what it needs, even on a busy machine."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The resources at one time.

    Memory is the resident set of the app and all its processes. `unnamed_mb` counts open files without a name, such as
    the recordings of sessions. `cpu_s` is the processor time that all processes have used so far. `sessions` is -1 if
    the app does not report it.
    """

    memory_mb: float
    disk_mb: float
    unnamed_mb: float
    descriptors: int
    log_kb: float
    cpu_s: float
    sessions: int = -1


def reading(app: App, *folders: Path, sessions: int = -1) -> Reading:
    """Reads the current figures. Blocks for some milliseconds."""
    memory, descriptors, cpu_s, unnamed = 0, 0, 0.0, 0
    for process in processes(app):
        with contextlib.suppress(psutil.Error, OSError):
            memory += process.memory_info().rss
            descriptors += process.num_fds()
            times = process.cpu_times()
            cpu_s += times.user + times.system
            if process.pid == app.process.pid:
                cpu_s += times.children_user + times.children_system
            unnamed += _unnamed_bytes(process.pid)
    log = app.log.stat().st_size
    disk = sum(_bytes_in(folder) for folder in folders) - log
    return Reading(memory / MB, disk / MB, unnamed / MB, descriptors, log / 1_000, cpu_s, sessions)


async def steady(app: App) -> None:
    """Waits until all workers of a newly started app have loaded what they need."""
    for _ in range(30):
        before = await asyncio.to_thread(memory_mb, app)
        await asyncio.sleep(1.0)
        if abs(await asyncio.to_thread(memory_mb, app) - before) < STEADY_MB:
            return


async def settled(app: App) -> None:
    """Waits until workers that have just taken the place of dead ones have loaded what they need."""
    born_s = time.time() - GROWN_UP_S
    if any(process.create_time() > born_s for process in processes(app)):
        await steady(app)


def memory_mb(app: App) -> float:
    memory = 0
    for process in processes(app):
        with contextlib.suppress(psutil.Error):
            memory += process.memory_info().rss
    return memory / MB


def processes(app: App) -> list[psutil.Process]:
    with contextlib.suppress(psutil.Error):
        return [app.process, *app.process.children(recursive=True)]
    return []


def _bytes_in(folder: Path) -> int:
    sizes = 0
    for parent, _, files in os.walk(folder):
        for name in files:
            with contextlib.suppress(OSError):
                sizes += os.stat(os.path.join(parent, name)).st_size
    return sizes


def _unnamed_bytes(pid: int) -> int:
    """Returns the size of open files without a name on Linux, and 0 elsewhere."""
    size = 0
    with contextlib.suppress(OSError):
        for descriptor in os.scandir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                of = os.stat(descriptor.path)
                if stat.S_ISREG(of.st_mode) and of.st_nlink == 0:
                    size += of.st_blocks * 512
    return size
