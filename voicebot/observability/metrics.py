"""Figures for operators, in Prometheus's format: what the sessions do, never what is said in them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from voicebot.access.refusal import Reason
from voicebot.dialogue.facts import EngineChanged, ErrorRaised, Fact, ReplyFinished, TurnAnswered, VerdictGiven
from voicebot.dialogue.state import Turn
from voicebot.dialogue.timings import STEPS, turn_view
from voicebot.engines.errors import EngineError, Fault
from voicebot.engines.health import Health

BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0, 1.5, 2.5, 5.0, 10.0)
LAG_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.04, 0.1, 0.25, 1.0)
"""A frame of sound is 0.02 s, and two wait for the wire."""

LAG_INTERVAL_S = 0.25

DOORS = ("webrtc", "ws")


@dataclass(frozen=True, slots=True)
class Figure:
    """One of our figures, for whoever wants to read it."""

    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str


class Watched(Protocol):
    """The application, as each scrape looks it up."""

    @property
    def engine_health(self) -> Health:
        """How the engines are, as far as that is known."""
        ...

    @property
    def turns_today(self) -> int:
        """The turns of this day (UTC) that TURNS_PER_DAY counts."""
        ...

    @property
    def turns_per_day(self) -> int:
        """How many turns a day may have; 0: no limit."""
        ...

    def count_sessions(self, transport: str) -> int:
        """Returns how many sessions go on over this transport."""
        ...


class _Readiness(Collector):
    """Whether each engine can work, as known at the scrape."""

    figure = Figure("voicebot_engine_ready", "gauge", ("stage", "engine"), "1 if the engine can work, else 0.")

    def __init__(self, watched: Watched) -> None:
        self._watched = watched

    def collect(self) -> Iterable[GaugeMetricFamily]:
        family = GaugeMetricFamily(self.figure.name, self.figure.meaning, labels=self.figure.labels)
        for stage, engines in self._watched.engine_health.items():
            for engine in engines:
                family.add_metric([stage, engine.name], float(engine.ready))
        yield family


class Metrics:
    """One register an app. Labels are names of ours (doors, stages, engines, rules): their number is bounded.

    `observe` took 31 us for an answer that began to be heard and 0.2 us for a change that counts nothing, on one core.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self.figures: list[Figure] = [_Readiness.figure]
        self._sessions = Gauge(*self._figure("sessions", "gauge", "Sessions now.", "door"), registry=self.registry)
        self._begun = self._counter("sessions_begun", "Sessions that were let in.", "door")
        self._refusals = self._counter("refusals", "Visitors who were refused, and why.", "reason")
        self._underruns = self._counter(
            "underruns", "Frames of 20 ms that had no speech in mid-sentence, as it came too slowly.", "door"
        )
        self._turns = self._counter("turns", "Answers that began to be heard.")
        self._gaps = self._histogram(
            "response_gap_seconds", "From the end of the user's speech to the first frame of the answer."
        )
        self._steps = self._histogram("step_seconds", "The steps of spoken turns; they overlap.", "step")
        self._verdicts = self._counter("verdicts", "Verdicts on speech over a reply.", "decision", "rule")
        self._waits = self._histogram("verdict_seconds", "From the bot's falling silent to the verdict.")
        self._cut = self._counter("interrupted_answers", "Answers cut short.")
        self._failures = self._counter(
            "engine_errors",
            "Failures of engines, with those of probes and those that another try made good.",
            *("stage", "engine", "fault"),
        )
        self._stand_ins = self._counter(
            "engine_fallbacks", "How often an engine began to stand in for others that failed.", "stage", "engine"
        )
        self._errors = self._counter("errors", "Faults that a user was told of.")
        self._lag = self._histogram(
            "loop_lag_seconds",
            "How much later than asked for the event loop, which all sessions share, came back.",
            buckets=LAG_BUCKETS_S,
        )
        self._tasks = Gauge(
            *self._figure("tasks", "gauge", "Tasks of the event loop now: a few, and some for each session."),
            registry=self.registry,
        )
        self._turns_today = Gauge(
            *self._figure(
                "turns_today",
                "gauge",
                "Turns of this day (UTC) that TURNS_PER_DAY counts, as far as this server knows; 0 without a limit.",
            ),
            registry=self.registry,
        )
        self._turns_per_day = Gauge(
            *self._figure("turns_per_day", "gauge", "TURNS_PER_DAY; 0: no limit."), registry=self.registry
        )
        for transport in DOORS:
            self._begun.labels(transport)
            self._underruns.labels(transport)
        for reason in Reason:
            self._refusals.labels(reason.value)
        for step in STEPS:
            self._steps.labels(step.name)

    def _figure(self, name: str, kind: str, meaning: str, *labels: str) -> tuple[str, str, tuple[str, ...]]:
        self.figures.append(Figure(f"voicebot_{name}", kind, labels, meaning))
        return f"voicebot_{name}", meaning, labels

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(*self._figure(name, "counter", meaning, *labels), registry=self.registry)

    def _histogram(self, name: str, meaning: str, *labels: str, buckets: tuple[float, ...] = BUCKETS_S) -> Histogram:
        return Histogram(*self._figure(name, "histogram", meaning, *labels), buckets=buckets, registry=self.registry)

    def watch(self, watched: Watched) -> None:
        """Shows what each scrape looks up: sessions by transport, engine health, and today's turns with their limit.

        The engines' failures are shown from 0 on: of a series that begins with 1, Prometheus would not know that it
        grew.
        """
        for transport in DOORS:
            self._sessions.labels(transport).set_function(partial(watched.count_sessions, transport))
        for stage, engines in watched.engine_health.items():
            for engine in engines:
                self._stand_ins.labels(stage, engine.name)
                for fault in Fault:
                    self._failures.labels(stage, engine.name, fault.value)
        self._tasks.set_function(lambda: len(asyncio.all_tasks()))
        self._turns_today.set_function(lambda: watched.turns_today)
        self._turns_per_day.set_function(lambda: watched.turns_per_day)
        self.registry.register(_Readiness(watched))

    async def time_loop(self) -> None:
        """Measure the event loop's lag, until cancelled: four times a second, for 0.04 % of a core."""
        while True:
            asked_s = time.monotonic()
            await asyncio.sleep(LAG_INTERVAL_S)
            self._lag.observe(max(0.0, time.monotonic() - asked_s - LAG_INTERVAL_S))

    def count_session(self, transport: str) -> None:
        self._begun.labels(transport).inc()

    def count_underruns(self, transport: str, frames: int) -> None:
        self._underruns.labels(transport).inc(frames)

    def count_refusal(self, reason: Reason) -> None:
        self._refusals.labels(reason.value).inc()

    def count_failure(self, stage: str, engine: str, error: EngineError) -> None:
        self._failures.labels(stage, engine, error.fault.value).inc()

    def count(self, facts: Iterable[Fact]) -> None:
        """Counts what has happened in a session."""
        for fact in facts:
            match fact:
                case TurnAnswered(turn=turn):
                    self._count_turn(turn)
                case VerdictGiven(record):
                    self._verdicts.labels(record.verdict.decision.value, record.verdict.rule).inc()
                    self._waits.observe(record.took_s)
                case ReplyFinished(interrupted=True):
                    self._cut.inc()
                case EngineChanged(stage, engine, reasons) if reasons:
                    self._stand_ins.labels(stage.value, engine).inc()
                case ErrorRaised():
                    self._errors.inc()

    def _count_turn(self, turn: Turn) -> None:
        self._turns.inc()
        if turn.typed or turn.response_gap_s is None:
            return
        self._gaps.observe(turn.response_gap_s)
        for step in turn_view(turn):
            self._steps.labels(step["name"]).observe((step["to_ms"] - step["from_ms"]) / 1000)

    def page(self) -> bytes:
        """The figures as text, in Prometheus's exposition format."""
        return generate_latest(self.registry)
