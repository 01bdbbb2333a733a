"""Replaces `time.monotonic` by the time of the running event loop, where that has a clock of its own (looptime).

Must be imported before the package, whose classes take `time.monotonic` as their clock.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

_real = time.monotonic


def _monotonic() -> float:
    try:
        loop: Any = asyncio.get_running_loop()
    except RuntimeError:
        return _real()
    return float(loop.time()) if getattr(loop, "looptime_on", False) else _real()


time.monotonic = _monotonic
