"""A change of the system clock deletes no conversation, and keeps none for ever."""

from __future__ import annotations

import pickle
import time
from pathlib import Path

import pytest

from tests.support.machine_session import Session
from tests.support.replica import goes_on, replica, state
from voicebot.runtime import clock
from voicebot.runtime.clock import SteadyClock
from voicebot.workers.place import WorkerPlace

YEAR_S = 365 * 86_400.0
MONTH_S = 31 * 86_400.0


def test_the_steady_clock_starts_at_the_system_time() -> None:
    assert abs(SteadyClock()() - time.time()) < 1


@pytest.mark.parametrize("step_s", [YEAR_S, -YEAR_S])
async def test_a_changed_system_time_deletes_no_conversation_and_old_ones_still_expire(
    url: str, monkeypatch: pytest.MonkeyPatch, step_s: float
) -> None:
    async with replica(url) as here:
        live = await here.open(None)
        assert live.id is not None
        await goes_on(live, state("hello"))
        now = time.time
        monkeypatch.setattr(time, "time", lambda: now() + step_s)
        await here.purge()
        assert await here.read(live.id) is not None
        passed = clock.elapsed_s
        monkeypatch.setattr(clock, "elapsed_s", lambda: passed() + MONTH_S)
        await here.purge()
        assert await here.read(live.id) is None


async def test_a_worker_that_starts_after_the_system_clock_was_set_goes_on_with_the_replies_of_earlier_ones(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = WorkerPlace(tmp_path, 0, 2)
    async with replica(url, first.clock, first) as here:
        conversation = await here.open(None)
        session = Session()
        session.ask("tell me a joke")
        await goes_on(conversation, session.state)
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() - MONTH_S)
    second: WorkerPlace = pickle.loads(pickle.dumps(first))  # as a new process gets it
    async with replica(url, second.clock, second) as here:
        assert (await here.open(conversation.id)).unfinished is not None
