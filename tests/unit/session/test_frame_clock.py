"""The playout clock: all sessions tick together, and late ticks are made up for or skipped."""

from __future__ import annotations

import asyncio
import itertools
import time

import pytest

from tests.support import loop_clock  # noqa: F401 - `time.monotonic` follows the simulated clock
from voicebot.audio.sound import FRAME_S
from voicebot.session.player import FrameClock


async def ticks(count: int, start_s: float) -> list[float]:
    """Returns the times of the first ticks of a clock that starts after `start_s`."""
    await asyncio.sleep(start_s)
    clock, times = FrameClock(), []
    for _ in range(count):
        await clock.tick()
        times.append(time.monotonic())
    return times


async def test_clocks_that_start_at_different_times_tick_together_every_20_ms() -> None:
    one, other = await asyncio.gather(ticks(10, 0.0), ticks(10, 0.0133))
    for times in (one, other):
        assert [after - before for before, after in itertools.pairwise(times)] == pytest.approx([FRAME_S] * 9)
    shift = (other[0] - one[0]) / FRAME_S
    assert shift == pytest.approx(round(shift), abs=0.001)


async def test_two_late_ticks_are_made_up_for_and_a_longer_stall_is_skipped() -> None:
    clock = FrameClock()
    await clock.tick()
    start_s = time.monotonic()
    await asyncio.sleep(2.5 * FRAME_S)
    for _ in range(3):
        await clock.tick()
    assert time.monotonic() - start_s == pytest.approx(3 * FRAME_S, abs=0.001)
    await asyncio.sleep(10.5 * FRAME_S)
    await clock.tick()
    await clock.tick()
    assert time.monotonic() - start_s == pytest.approx(15 * FRAME_S, abs=0.001)
