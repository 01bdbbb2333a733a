"""The amount of sound that a session may have processed, on a clock that the tests set."""

from __future__ import annotations

import pytest

from tests.support.manual_clock import Clock
from voicebot.transports.websocket.budget import SoundBudget


def test_the_sound_budget_is_the_elapsed_time_and_a_burst() -> None:
    clock = Clock(0.0)
    budget = SoundBudget(10.0, clock=clock)
    budget.spend(10.0)
    assert budget.wait_s == 0
    budget.spend(2.0)
    assert budget.wait_s == pytest.approx(2.0)
    clock.now_s = 5.0
    assert budget.wait_s == 0
    budget.spend(3.0)
    assert budget.wait_s == 0
    budget.spend(0.5)
    assert budget.wait_s == pytest.approx(0.5)


def test_the_sound_budget_after_silence_is_a_burst_at_once_and_the_rest_at_its_pace() -> None:
    clock = Clock(0.0)
    budget = SoundBudget(10.0, 4.0, clock)
    clock.now_s = 60.0
    budget.spend(10.0)
    assert budget.wait_s == 0
    budget.spend(1.0)
    assert budget.wait_s == pytest.approx(0.25)


def test_sound_in_real_time_never_waits() -> None:
    clock = Clock(0.0)
    budget = SoundBudget(10.0, 4.0, clock)
    for _ in range(50 * 1_800):
        clock.now_s += 0.02
        assert budget.wait_s == 0
        budget.spend(0.0202)  # a sound card that runs 1 % fast
        if clock.now_s > 900:
            break
