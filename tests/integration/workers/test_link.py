"""The pipe between a supervisor and its worker."""

from __future__ import annotations

import asyncio
import os
import signal
from multiprocessing import Pipe

import pytest

from tests.support.waiting import until
from voicebot.web.ending import Ending
from voicebot.workers.link import NewName, Order, Ping, StartFailure, SupervisorLink, WorkerState


async def test_a_worker_answers_pings_with_its_state_and_obeys_orders_and_the_death_of_its_supervisor() -> None:
    supervisor, own = Pipe()
    link, ending = SupervisorLink(own), Ending()
    names: list[str] = []
    supervisor.send(NewName("07ff8706ab.gradio.live"))  # before it listens, as a worker that is starting
    link.listen(ending.obey, names.append)
    link.report(WorkerState.SERVING)
    supervisor.send(Ping())
    await until(lambda: names)
    assert names == ["07ff8706ab.gradio.live"]
    for _ in range(2):  # its report, and its answer
        await until(supervisor.poll)
        assert supervisor.recv() is WorkerState.SERVING
    supervisor.send(Order.DRAIN)
    await asyncio.wait_for(ending.begun.wait(), 5)
    assert not ending.stopped.is_set()
    supervisor.close()
    await asyncio.wait_for(ending.stopped.wait(), 5)
    link.report(WorkerState.ENDING)  # nobody hears it
    link.fail("no more")
    link.close()
    own.close()


@pytest.mark.parametrize("signal_first", [False, True])
async def test_a_signal_to_all_processes_hurries_no_worker_and_a_second_one_does(signal_first: bool) -> None:
    """Workers get the signal and, a moment before or after it, the order of their supervisor, which got it as well."""
    ending = Ending()
    ending.heed_signals()
    for signalled in (signal_first, not signal_first):
        if signalled:
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.wait_for(ending.begun.wait(), 5)
            await asyncio.sleep(0.05)  # the handler runs in the loop
        else:
            ending.obey(Order.STOP)
    assert ending.begun.is_set()
    assert not ending.hurried.is_set()
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(ending.hurried.wait(), 5)


async def test_a_supervisor_learns_why_its_worker_cannot_start() -> None:
    supervisor, own = Pipe()
    with supervisor, own:
        SupervisorLink(own).fail("TOOLS: There is no module 'shop'")
        assert supervisor.recv() == StartFailure("TOOLS: There is no module 'shop'")
