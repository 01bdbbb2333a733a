"""What the supervisor decides when workers start, die, hang and end. The processes and the clock are fakes."""

from __future__ import annotations

import contextlib
import errno
import math
import os
import signal
import socket
import struct
from collections.abc import Iterator
from multiprocessing import connection
from pathlib import Path
from typing import Any

import pytest
from uvicorn import Config

from tests.support.manual_clock import Clock
from voicebot.bootstrap import process
from voicebot.bootstrap.process import Prepared
from voicebot.settings import config
from voicebot.settings.config import SettingsError
from voicebot.settings.registry import NOTHING_FOUND
from voicebot.workers.link import FromSupervisor, NewName, Order, Ping, StartFailure, WorkerState
from voicebot.workers.place import WorkerPlace
from voicebot.workers.supervisor import (
    END_S,
    LEAVING_S,
    MISSED_PINGS,
    STABLE_S,
    START_S,
    TICK_S,
    Assignment,
    ServingProcess,
    Supervisor,
    supervise,
)

SERVING, ENDING = WorkerState.SERVING, WorkerState.ENDING


class FakeWorker(ServingProcess):
    """A worker without a process. It starts when the test says so, and is told nothing that the test does not see."""

    def __init__(self, number: int, now_s: float) -> None:
        self._number = number
        self.state = WorkerState.STARTING
        self.began_s = self.served_s = now_s
        self.failure, self.unanswered, self.leaves_by_s = None, 0, math.inf
        self.told: list[FromSupervisor] = []
        self.said: list[WorkerState | StartFailure] = []
        self.lives, self.killed, self.forgotten = True, False, False
        self.parent_conn: Any = None

    @property
    def number(self) -> int:
        return self._number

    @property
    def pid(self) -> int:
        return 4000 + self._number

    @property
    def sentinel(self) -> int:
        return -1

    @property
    def runs(self) -> bool:
        return self.lives

    @property
    def orders(self) -> list[Order]:
        return [each for each in self.told if isinstance(each, Order)]

    def tell(self, message: FromSupervisor) -> None:
        self.told.append(message)

    def reports(self) -> Iterator[WorkerState | StartFailure]:
        while self.said:
            yield self.said.pop(0)

    def end(self, order: Order) -> None:
        self.tell(order)

    def kill(self) -> None:
        self.lives, self.killed = False, True

    def forget(self) -> None:
        self.forgotten = True

    def forget_metrics(self) -> None:
        """There are none."""

    def how_it_ended(self) -> str:
        return "was ended by SIGKILL"


class Ended:
    """A process that has ended."""

    pid = 4711

    def join(self) -> None:
        pass


class Fleet(Supervisor):
    """A supervisor of fake workers."""

    def __init__(self, folder: Path, listener: socket.socket) -> None:
        self.clock = Clock()
        self.started: list[FakeWorker] = []
        """All workers so far, in the order of their starts."""
        super().__init__(Prepared(config.load(), NOTHING_FOUND), listener, 2, folder, clock=self.clock)

    def new_worker(self, number: int) -> FakeWorker:
        self.started.append(FakeWorker(number, self.clock()))
        return self.started[-1]

    def all_serve(self) -> list[FakeWorker]:
        """Lets the present workers start. Returns them."""
        self.step()
        for worker in self.started:
            worker.said.append(SERVING)
        self.step()
        return list(self.started)

    def tick(self, seconds: float = TICK_S) -> bool:
        self.clock.now_s += seconds
        return self.step()

    def signalled(self, number: signal.Signals) -> bool:
        self.signal_queue.append(number)
        return self.step()


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    before = {each: signal.getsignal(each) for each in signal.valid_signals()}
    with socket.socket() as listener, contextlib.closing(Fleet(tmp_path, listener)) as made:
        yield made
    for each, handler in before.items():
        if signal.getsignal(each) is not handler and handler is not None:
            signal.signal(each, handler)


def test_it_announces_the_address_once_as_soon_as_the_first_worker_serves(
    fleet: Fleet, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    fleet.step()
    assert [worker.number for worker in fleet.started] == [0, 1]
    assert "open http" not in caplog.text
    for worker in fleet.started:
        worker.said.append(SERVING)
        fleet.step()
    assert caplog.text.count("open http://127.0.0.1:") == 1


def test_a_dead_worker_is_replaced_at_once_and_one_that_dies_again_and_again_after_growing_pauses(fleet: Fleet) -> None:
    (first, _) = fleet.all_serve()
    first.lives = False
    fleet.step()
    assert first.forgotten
    pauses_s = []
    for _ in range(7):
        begun_s = fleet.clock()
        while (replacement := fleet.serving[0]) is None:
            fleet.tick(0.5)
        pauses_s.append(fleet.clock() - begun_s)
        assert isinstance(replacement, FakeWorker)
        replacement.said.append(SERVING)
        fleet.step()
        replacement.lives = False
        fleet.step()
    assert pauses_s == [0, 1, 2, 4, 8, 16, 30]


def test_after_a_worker_has_lasted_its_death_is_the_first_one_again(fleet: Fleet) -> None:
    fleet.all_serve()
    for _ in range(3):
        worker = fleet.serving[0]
        assert isinstance(worker, FakeWorker), "it is replaced without a pause"
        worker.said.append(SERVING)
        fleet.step()
        fleet.clock.now_s += STABLE_S
        worker.lives = False
        fleet.step()
    assert fleet.serving[0] is not None


def test_a_worker_whose_event_loop_answers_no_ping_is_killed_and_replaced(fleet: Fleet) -> None:
    hung, other = fleet.all_serve()
    for _ in range(MISSED_PINGS + 2):
        other.said.append(SERVING)
        fleet.tick()
    assert hung.killed
    assert hung.told.count(Ping()) == 1, "an unanswered ping is not repeated, or the pipe would fill"
    assert not other.killed
    fleet.step()
    assert fleet.serving[0] is fleet.started[2]


def test_a_suspended_machine_kills_no_worker_when_it_wakes_up(fleet: Fleet) -> None:
    workers = fleet.all_serve()
    fleet.tick(3_600)
    fleet.tick(3_600)
    assert not any(worker.killed for worker in workers)


def test_if_no_worker_can_start_the_supervisor_ends_with_the_workers_own_words(fleet: Fleet) -> None:
    fleet.step()
    first, other = fleet.started
    first.said.append(StartFailure("TOOLS: There is no module 'shop'"))
    first.lives = False
    assert fleet.step(), "the other one still ends"
    assert fleet.failure == "TOOLS: There is no module 'shop'"
    assert other.orders == [Order.STOP]
    other.lives = False
    assert not fleet.step()
    assert len(fleet.started) == 2, "none is started again"


def test_a_worker_that_dies_before_it_serves_is_tried_again_later_once_another_one_has_served(fleet: Fleet) -> None:
    fleet.step()
    first, other = fleet.started
    other.said.append(SERVING)
    fleet.step()
    first.lives = False
    fleet.step()
    assert fleet.serving[0] is None
    fleet.tick(1)
    again = fleet.started[2]
    again.lives = False
    fleet.step()
    fleet.tick(1)
    assert fleet.serving[0] is None, "the second pause is longer"
    fleet.tick(1)
    last = fleet.started[3]
    other.lives = False
    fleet.step()
    last.lives = False
    fleet.started[4].lives = False
    assert fleet.step()
    assert fleet.workers() == []
    fleet.tick(4)
    assert [worker.number for worker in fleet.workers()] == [0, 1], "even if all of them have died"
    assert fleet.failure is None


def test_while_the_system_starts_no_process_the_other_workers_go_on(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    dead, other = fleet.all_serve()

    def refused(_: int) -> Any:
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    with monkeypatch.context() as patched:
        patched.setattr(fleet, "new_worker", refused)
        dead.lives = False
        assert fleet.step()
        patched.setattr(process, "prepare", lambda _: Prepared(config.load(), NOTHING_FOUND))
        assert fleet.signalled(signal.SIGHUP)
        assert "worker 1 goes on, as its replacement can't start" in caplog.text
    assert fleet.serving == [None, other]
    fleet.tick(2)
    assert fleet.serving == [fleet.started[2], other]
    assert not other.orders


def test_a_worker_that_never_serves_is_killed(fleet: Fleet) -> None:
    fleet.step()
    slow, other = fleet.started
    other.said.append(SERVING)
    fleet.tick(START_S)
    assert not slow.killed
    fleet.tick(1)
    assert slow.killed
    fleet.step()
    fleet.tick(1)
    assert fleet.failure is None
    assert [worker.number for worker in fleet.started] == [0, 1, 0]


def test_a_worker_that_is_drained_is_replaced_at_once_and_may_outlive_its_replacement(fleet: Fleet) -> None:
    drained, _ = fleet.all_serve()
    drained.said.append(ENDING)
    fleet.step()
    replacement = fleet.started[2]
    assert fleet.serving[0] is replacement
    assert fleet.leaving == [drained]
    replacement.said.append(SERVING)
    fleet.step()
    drained.lives = False
    fleet.step()
    assert drained.forgotten
    assert fleet.serving[0] is replacement
    assert len(fleet.started) == 3


def test_a_worker_that_was_replaced_and_does_not_end_is_killed(fleet: Fleet) -> None:
    old, other = fleet.all_serve()
    old.said.append(ENDING)
    fleet.step()
    fleet.started[2].said.append(SERVING)
    began_s = fleet.clock()
    while not old.killed:
        for worker in (old, other, fleet.started[2]):
            worker.said.append(worker.state)  # they answer pings
        fleet.tick()
        assert fleet.clock() - began_s < LEAVING_S + 10
    assert fleet.clock() - began_s > LEAVING_S
    assert not other.killed


def test_sigterm_stops_all_workers_also_those_that_were_drained_before_and_a_second_one_hurries(fleet: Fleet) -> None:
    drained, other = fleet.all_serve()
    drained.said.append(ENDING)
    fleet.step()
    starting = fleet.started[2]
    assert fleet.signalled(signal.SIGTERM)
    assert [worker.orders for worker in (drained, other, starting)] == [[Order.STOP]] * 3
    assert fleet.sockets[0].fileno() == -1, "nobody waits for workers that will not come"
    assert fleet.signalled(signal.SIGTERM)
    assert other.orders == [Order.STOP, Order.HURRY]
    for worker in fleet.started:
        worker.lives = False
    assert not fleet.step()
    assert len(fleet.started) == 3
    assert fleet.failure is None


def test_while_workers_end_the_supervisor_sleeps(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    slept_s: list[float] = []
    monkeypatch.setattr(connection, "wait", lambda _, timeout: slept_s.append(timeout))
    workers = fleet.all_serve()
    fleet.signalled(signal.SIGTERM)
    for worker in workers:
        worker.said.append(ENDING)
    fleet.step()
    fleet.wait()
    assert slept_s == [TICK_S]


def test_workers_that_do_not_end_in_time_are_killed(fleet: Fleet) -> None:
    workers = fleet.all_serve()
    fleet.signalled(signal.SIGINT)
    assert [worker.orders for worker in workers] == [[Order.END]] * 2
    while fleet.tick():
        for worker in workers:
            worker.said.append(ENDING)  # they still answer
        assert fleet.clock() < 1_060
    assert all(worker.killed for worker in workers)


def test_further_signals_never_put_off_the_time_at_which_workers_are_killed(fleet: Fleet) -> None:
    workers = fleet.all_serve()
    fleet.signalled(signal.SIGTERM)
    begun_s = fleet.clock()
    while fleet.tick(10):
        fleet.signalled(signal.SIGINT)
        for worker in workers:
            worker.said.append(ENDING)
        assert fleet.clock() - begun_s <= END_S
    assert all(worker.killed for worker in workers)


def test_sighup_replaces_one_worker_after_the_other_each_once_its_replacement_serves(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "prepare", lambda _: Prepared(config.load(), NOTHING_FOUND))
    old = fleet.all_serve()
    fleet.signalled(signal.SIGHUP)
    for number in range(2):
        replacement = fleet.started[2 + number]
        assert len(fleet.started) == 3 + number
        assert old[number].orders == []
        replacement.said.append(SERVING)
        fleet.step()
        assert old[number].orders == [Order.DRAIN]
        assert fleet.serving[number] is replacement
        fleet.step()
    assert fleet.leaving == old
    assert fleet.replacements == {}


def test_at_most_as_many_workers_end_at_a_time_as_serve(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "prepare", lambda _: Prepared(config.load(), NOTHING_FOUND))
    old = fleet.all_serve()
    fleet.signalled(signal.SIGHUP)
    for replacement in (2, 3):
        fleet.started[replacement].said.append(SERVING)
        fleet.step()
    fleet.signalled(signal.SIGHUP)
    assert len(fleet.started) == 4, "both workers of the first round may still have recordings"
    old[1].lives = False
    fleet.step()
    fleet.step()
    assert [worker.number for worker in fleet.started[4:]] == [0]


@pytest.mark.parametrize(
    "error", [SettingsError("MAX_SESSIONS: Input should be 1 or more"), RuntimeError("the search for models failed")]
)
def test_a_restart_with_settings_that_cannot_be_read_leaves_the_workers_alone(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    workers = fleet.all_serve()

    def fails(_: str | None) -> Any:
        raise error

    monkeypatch.setattr(process, "prepare", fails)
    fleet.signalled(signal.SIGHUP)
    assert str(error) in caplog.text
    assert fleet.serving == fleet.started == workers


def test_a_restart_stops_at_a_replacement_that_cannot_start_and_the_workers_go_on(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = fleet.all_serve()
    monkeypatch.setattr(process, "prepare", lambda _: Prepared(config.load(), NOTHING_FOUND))
    fleet.signalled(signal.SIGHUP)
    replacement = fleet.started[2]
    replacement.said.append(StartFailure("TOOLS: There is no module 'shop'"))
    replacement.lives = False
    for _ in range(3):
        fleet.tick()
        for worker in old:
            worker.said.append(SERVING)
    assert fleet.serving == old
    assert len(fleet.started) == 3
    assert all(worker.orders == [] for worker in old)
    assert fleet.failure is None


def test_workers_that_were_starting_at_a_sighup_are_replaced_too_but_not_those_that_started_after_it(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "prepare", lambda _: Prepared(config.load(), NOTHING_FOUND))
    fleet.step()
    slow, other = fleet.started
    other.said.append(SERVING)
    fleet.step()
    fleet.signalled(signal.SIGHUP)
    other.lives = False
    fleet.step()
    anew = fleet.started[2]
    assert anew.number == other.number
    for starting in (slow, anew):
        starting.said.append(SERVING)
    fleet.step()
    replacement = fleet.started[3]
    replacement.said.append(SERVING)
    fleet.step()
    fleet.step()
    assert slow.orders == [Order.DRAIN], "it may have read the earlier settings"
    assert fleet.serving == [replacement, anew]
    assert len(fleet.started) == 4


def test_what_a_dead_worker_has_left_behind_can_not_end_the_supervisor(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = WorkerPlace(tmp_path, 0, 2)
    place.metrics_folder.mkdir()
    worker = ServingProcess(Config("", log_config=None), [], Assignment(place, None, NOTHING_FOUND), 0.0)
    worker.process = Ended()  # type: ignore[assignment]
    broken = place.metrics_folder / f"counter_{Ended.pid}.db"
    broken.write_bytes(struct.pack("iii12sdd", 44, 0, 12, b"nothing know", 1.0, 0.0))
    worker.forget()
    worker.forget_metrics()
    worker.child_conn.close()
    assert "could not be added" in caplog.text
    assert not broken.exists(), "with it, no worker could read the metrics of all"


def test_if_a_worker_dies_while_its_replacement_starts_the_replacement_takes_its_number(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "prepare", lambda _: Prepared(config.load(), NOTHING_FOUND))
    old, _ = fleet.all_serve()
    fleet.signalled(signal.SIGHUP)
    old.lives = False
    fleet.step()
    assert fleet.serving[0] is fleet.started[2]


def test_all_workers_learn_the_host_of_the_share_link(fleet: Fleet) -> None:
    workers = fleet.all_serve()
    fleet.add("07ff8706ab.gradio.live")
    fleet.step()
    assert all(NewName("07ff8706ab.gradio.live") in worker.told for worker in workers)


def test_the_number_of_workers_is_fixed(fleet: Fleet) -> None:
    fleet.all_serve()
    for number in (signal.SIGTTIN, signal.SIGTTOU):
        fleet.signalled(number)
    assert len(fleet.workers()) == 2


def test_on_windows_there_is_only_one_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    prepared = Prepared(config.load(), NOTHING_FOUND)
    with socket.socket() as listener, monkeypatch.context() as system:
        system.setattr(os, "name", "nt")
        with pytest.raises(SettingsError, match="need Linux or macOS"):
            supervise(prepared, listener, 2, host=None, share=False)
