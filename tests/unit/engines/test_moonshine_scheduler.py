"""The order in which audio is decoded, on a clock and with workers that the tests control."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from voicebot.engines.stt.moonshine.scheduler import (
    INTERIM_BURST_S,
    INTERIM_SHARE,
    DecodeJob,
    InterimShare,
    RunningJob,
    Scheduler,
    Sleeper,
    Urgency,
)


@dataclass
class HandTurnedClock:
    now_s: float = 0.0
    sleepers: list[tuple[float, Sleeper]] = field(default_factory=list)

    def time(self) -> float:
        return self.now_s

    def wake_later(self, sleeper: Sleeper, delay_s: float) -> None:
        self.sleepers.append((self.now_s + delay_s, sleeper))

    def pass_to(self, now_s: float) -> None:
        """Moves the clock and wakes the sleepers that are due by then, in order."""
        while due := sorted((at_s, number) for number, (at_s, _) in enumerate(self.sleepers) if at_s <= now_s):
            at_s, number = due[0]
            self.now_s = max(self.now_s, at_s)
            self.sleepers.pop(number)[1].wake()
        self.now_s = now_s


class ManualWorkers:
    """Threads whose work ends when the test says so."""

    def __init__(self, count: int = 2) -> None:
        self.count = count
        self.busy: list[RunningJob[Any]] = []

    def start(self, running: RunningJob[Any]) -> None:
        self.busy.append(running)

    def finish(self) -> None:
        running = self.busy.pop(0)
        running.end(running.work())


@dataclass(frozen=True)
class NamedWork:
    name: str

    def run(self, stop: threading.Event) -> str:
        return self.name


@dataclass(frozen=True)
class Owner:
    """Records its name when its jobs begin and end. With `again` it submits another job after each."""

    bench: Bench
    name: str
    share: InterimShare
    again: bool = False

    def submit(self, urgency: Urgency) -> DecodeJob[str]:
        job: DecodeJob[str] = DecodeJob(urgency, self.share, self)
        self.bench.scheduler.submit(job)
        return job

    def prepare(self) -> NamedWork:
        self.bench.begun.append(self.name)
        return NamedWork(self.name)

    def done(self, result: str | BaseException) -> None:
        self.bench.ended.append(str(result))
        if self.again:
            self.submit(Urgency.INTERIM)

    def preempted(self) -> None:
        self.bench.preempted.append(self.name)


class OwnerWithoutWork:
    """Has no work left when its turn comes."""

    def prepare(self) -> None:
        return None

    def done(self, result: object) -> None:
        pytest.fail("the owner has no work")

    def preempted(self) -> None:
        pytest.fail("the owner has no work")


class Bench:
    """A scheduler with its clock and workers, and records of the jobs that began and ended."""

    def __init__(self, workers: int = 2) -> None:
        self.clock, self.workers = HandTurnedClock(), ManualWorkers(workers)
        self.scheduler = Scheduler(self.workers, self.clock)
        self.begun: list[str] = []
        self.ended: list[str] = []
        self.preempted: list[str] = []

    def submit(
        self, name: str, urgency: Urgency, share: InterimShare | None = None, *, again: bool = False
    ) -> DecodeJob[str]:
        """Submits a job. With `again` an interim job follows each job that has ended."""
        return Owner(self, name, share or InterimShare(), again).submit(urgency)

    def work(self, until_s: float, costs_s: Mapping[str, float]) -> dict[str, float]:
        """Runs jobs until `until_s`, each for its cost. Returns the time that each has used."""
        spent_s = dict.fromkeys(costs_s, 0.0)
        while self.clock.now_s < until_s:
            if self.workers.busy:
                name = self.begun[-1]
                self.clock.pass_to(self.clock.now_s + costs_s[name])
                spent_s[name] += costs_s[name]
                self.workers.finish()
            else:
                self.clock.pass_to(self.clock.now_s + 0.001)
        return spent_s


def test_finals_go_before_pauses_and_pauses_before_parts_and_interim_texts() -> None:
    bench = Bench(workers=1)
    bench.submit("first", Urgency.FINAL)
    for name, urgency in (
        ("interim", Urgency.INTERIM),
        ("part", Urgency.PART),
        ("pause", Urgency.PAUSE),
        ("final", Urgency.FINAL),
        ("next final", Urgency.FINAL),
    ):
        bench.submit(name, urgency)
    assert bench.begun == ["first"], "a thread must run one job at a time"
    while bench.workers.busy:
        bench.workers.finish()
    assert bench.begun == ["first", "final", "next final", "pause", "part", "interim"]
    assert bench.ended == bench.begun


def test_interim_texts_leave_a_thread_free_for_urgent_work() -> None:
    bench = Bench(workers=2)
    bench.submit("interim", Urgency.INTERIM)
    bench.submit("another interim", Urgency.INTERIM)
    assert bench.begun == ["interim"]
    bench.submit("final", Urgency.FINAL)
    assert bench.begun == ["interim", "final"]


def test_an_interim_text_is_stopped_when_it_keeps_a_final_waiting() -> None:
    bench = Bench(workers=2)
    interim = bench.submit("interim", Urgency.INTERIM)
    bench.submit("final", Urgency.FINAL)
    assert not interim.stop.is_set()
    bench.submit("second final", Urgency.FINAL)
    assert interim.stop.is_set()
    assert bench.preempted == ["interim"]
    bench.workers.finish()
    assert bench.ended == [], "the result of a stopped job must be dropped"
    assert bench.begun == ["interim", "final", "second final"]


@pytest.mark.parametrize("cost_s", [0.03, 0.2, 0.7])
def test_interim_texts_take_their_share_of_a_core_and_no_more(cost_s: float) -> None:
    bench = Bench()
    costs_s = {str(number): cost_s for number in range(4)}
    for name in costs_s:
        bench.submit(name, Urgency.INTERIM, InterimShare(), again=True)
    spent_s = bench.work(30.0, costs_s)
    share_s = INTERIM_SHARE * bench.clock.now_s
    assert 0.95 * share_s < sum(spent_s.values()) <= share_s + INTERIM_BURST_S + cost_s
    assert max(spent_s.values()) - min(spent_s.values()) <= 1.01 * cost_s, "all sessions must get the same share"


def test_a_session_with_long_utterances_gets_no_more_time_than_others() -> None:
    bench = Bench()
    costs_s = {"short": 0.05, "long": 0.4}
    for name in costs_s:
        bench.submit(name, Urgency.INTERIM, InterimShare(), again=True)
    spent_s = bench.work(60.0, costs_s)
    assert spent_s["short"] > 10
    assert abs(spent_s["long"] - spent_s["short"]) <= 2 * costs_s["long"]


def test_a_silent_session_saves_up_no_decoding_time() -> None:
    bench = Bench()
    talker, newcomer = InterimShare(), InterimShare()
    talker.used_s = 100.0
    bench.submit("talker", Urgency.INTERIM, talker)
    bench.clock.pass_to(0.1)
    bench.workers.finish()
    for name, share in (("newcomer", newcomer), ("talker", talker)):
        bench.submit(name, Urgency.INTERIM, share)
    assert newcomer.used_s >= 100.0


def test_urgent_work_runs_even_when_interim_texts_have_used_up_their_share() -> None:
    bench = Bench()
    bench.submit("interim", Urgency.INTERIM)
    bench.clock.pass_to(5.0)
    bench.workers.finish()
    bench.submit("next interim", Urgency.INTERIM)
    for urgency in (Urgency.PART, Urgency.PAUSE, Urgency.FINAL):
        bench.submit(urgency.name, urgency)
        bench.workers.finish()
    assert bench.begun == ["interim", "PART", "PAUSE", "FINAL"]


def test_a_job_that_is_dropped_while_waiting_never_begins() -> None:
    bench = Bench(workers=1)
    bench.submit("final", Urgency.FINAL)
    waiting = bench.submit("pause", Urgency.PAUSE)
    bench.scheduler.drop(waiting)
    bench.workers.finish()
    assert bench.begun == ["final"]


def test_a_job_that_is_dropped_while_running_is_stopped_and_its_result_is_discarded() -> None:
    bench = Bench(workers=1)
    running = bench.submit("pause", Urgency.PAUSE)
    bench.submit("final", Urgency.FINAL)
    bench.scheduler.drop(running)
    assert running.stop.is_set()
    assert bench.begun == ["pause"], "the thread must be busy until the job has stopped"
    bench.workers.finish()
    bench.workers.finish()
    assert bench.ended == ["final"]


def test_an_interim_text_that_became_a_final_goes_first() -> None:
    bench = Bench(workers=1)
    bench.submit("first", Urgency.FINAL)
    bench.submit("pause", Urgency.PAUSE)
    waiting = bench.submit("interim", Urgency.INTERIM)
    bench.scheduler.change_urgency(waiting, Urgency.FINAL)
    bench.workers.finish()
    assert bench.begun == ["first", "interim"]


def test_a_job_that_is_no_longer_needed_at_its_turn_takes_no_thread() -> None:
    bench = Bench(workers=1)
    bench.submit("first", Urgency.FINAL)
    job: DecodeJob[str] = DecodeJob(Urgency.PAUSE, InterimShare(), OwnerWithoutWork())
    bench.scheduler.submit(job)
    bench.submit("last", Urgency.PART)
    bench.workers.finish()
    assert bench.begun == ["first", "last"]
