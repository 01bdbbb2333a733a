"""Metrics for operators, in Prometheus's format. They count what sessions do, and never hold what is said in them."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

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
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from voicebot.access.refusal import Reason
from voicebot.dialogue.facts import (
    EngineChanged,
    ErrorRaised,
    Fact,
    ReplyCommitted,
    ReplyFinished,
    ToolCallChanged,
    TurnAnswered,
    VerdictGiven,
    WrongStartRepaired,
)
from voicebot.dialogue.state import Turn
from voicebot.dialogue.timings import STEPS, turn_view
from voicebot.dialogue.tool_calls import CallStatus, ToolTag
from voicebot.engines.errors import EngineError, Fault
from voicebot.engines.health import Health
from voicebot.observability import shared_metrics

BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0, 1.5, 2.5, 5.0, 10.0)
LAG_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.04, 0.1, 0.25, 1.0)
"""A frame of audio lasts 0.02 s, and two frames wait to be sent: a longer lag can be heard."""

LAG_INTERVAL_S = 0.25

GAUGES_EACH = 4
"""Every so many measurements of the lag, once a second, a worker writes its gauges for the others to read."""

CALL_BUCKETS_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3_600.0)
"""Tools may work for an hour (`LONGEST_LIMIT_S`)."""

TRANSPORTS = ("webrtc", "ws")

PREEMPTIVE_OUTCOMES = KEPT, DISCARDED = "kept", "discarded"

NOT_CONFIRMED = CallStatus.NOT_CONFIRMED

STEP_LABELS = {
    "turn_ended_s": "endpointing",
    "transcript_s": "transcription",
    "token_s": "llm_ttft",
    "sentence_s": "llm_first_sentence",
    "audio_s": "tts_ttfb",
    "frame_s": "playout",
}
"""The usual name of each step of a turn, by the field of `Turn` that says when it ended."""

LABEL_OF_STEP = {step.name: STEP_LABELS[step.came] for step in STEPS}


@dataclass(frozen=True, slots=True)
class MetricInfo:
    """A metric, as docs/metrics.md describes it."""

    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str


class MetricsSource(Protocol):
    """The application, which each scrape asks for values."""

    @property
    def engine_health(self) -> Health:
        """The health of all engines."""
        ...

    @property
    def turns_today(self) -> int:
        """The turns of this day (UTC) that TURNS_PER_DAY counts."""
        ...

    @property
    def turns_per_day(self) -> int:
        """The limit of turns a day; 0 if there is none."""
        ...

    def count_sessions(self, transport: str, /) -> int:
        """Returns the number of sessions over this transport."""
        ...


OfAll = Literal["livesum", "livemin", "livemax"]
"""What the value of a gauge is for several workers: the sum, the least or the greatest of those that live."""


class ProcessMetrics(Collector):
    """The usual metrics of processes, with the worker as label. `processes` has the worker of each process id."""

    def __init__(self, processes: Mapping[int, str]) -> None:
        self._processes = processes

    def collect(self) -> Iterable[Metric]:
        families: dict[str, Metric] = {}
        for pid, worker in self._processes.items():
            for family in ProcessCollector(pid=lambda pid=pid: pid, registry=None).collect():  # type: ignore[misc]
                merged = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
                for sample in family.samples:
                    merged.add_sample(sample.name, {**sample.labels, "worker": worker}, sample.value)
        return families.values()


class Metrics:
    """The metrics of one app: of this process, and of all workers if they share a folder.

    The values of labels are names from our code (transports, stages, engines, rules), so their number is bounded.
    Counting a turn took 31 us on one core, and a step without countable facts 0.2 us.

    The workers share their values through files in `folder` (prometheus-client's multiprocess mode), which is on if the
    variable PROMETHEUS_MULTIPROC_DIR names this folder before the library is loaded: see
    `observability/shared_metrics.py`.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._source: MetricsSource | None = None
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self.infos: list[MetricInfo] = []
        self._engine_ready = self._gauge(
            "engine_ready", "1 if the engine can work, else 0.", "stage", "engine", of_all="livemin"
        )
        self._sessions = self._gauge("sessions", "The sessions that are going on.", "transport")
        self._sessions_started = self._counter("sessions_started", "The sessions that were admitted.", "transport")
        self._refusals = self._counter("refusals", "The requests that were refused, by reason.", "reason")
        self._underruns = self._counter(
            "underruns",
            "The frames of 20 ms within a sentence that carried no speech, because it was synthesized too slowly.",
            "transport",
        )
        self._turns = self._counter("turns", "The answers that the user heard, in whole or in part.")
        self._gaps = self._histogram(
            "response_gap_seconds", "The time from the end of the user's speech to the first frame of the answer."
        )
        self._steps = self._histogram(
            "turn_step_seconds",
            "The duration of each step of the response gap; the steps overlap. llm_ttft ends with the first token,"
            " tts_ttfb with the first byte of audio.",
            "step",
        )
        self._verdicts = self._counter("verdicts", "The verdicts on speech over a reply.", "decision", "rule")
        self._verdict_times = self._histogram(
            "verdict_seconds", "How long the bot was silent before the verdict on speech over a reply."
        )
        self._barge_ins = self._counter("barge_ins", "The answers that the user interrupted.")
        self._preemptive = self._counter(
            "preemptive_replies",
            "The answers that were begun before the user's turn was over: kept, or discarded because the user went on.",
            "outcome",
        )
        self._tokens_discarded = self._counter(
            "preemptive_tokens_discarded",
            "The tokens that models had sent for the discarded ones of these answers. Services also charge for the"
            " tokens of the request.",
        )
        self._wrong_starts = self._counter(
            "wrong_starts", "The answers that were taken back, because the user went on with the message."
        )
        self._calls = self._counter(
            "tool_calls",
            "The calls of tools that have ended, by the tool's tag and by how they ended. A pure call that is cancelled"
            " with its reply is not counted.",
            *("tag", "status"),
        )
        self._call_times = self._histogram(
            "tool_call_seconds", "How long tools worked for these calls.", "tag", buckets=CALL_BUCKETS_S
        )
        self._engine_errors = self._counter(
            "engine_errors",
            "The failures of engines, including failed probes and failures after which a second try or another engine"
            " succeeded.",
            *("stage", "engine", "fault"),
        )
        self._fallbacks = self._counter(
            "engine_fallbacks", "How often an engine replaced another one that had failed.", "stage", "engine"
        )
        self._errors = self._counter("errors", "The errors that were shown to users.")
        self._lag = self._histogram(
            "loop_lag_seconds",
            "How late the event loop, which all sessions share, runs a task that is due.",
            buckets=LAG_BUCKETS_S,
        )
        self._tasks = self._gauge("tasks", "The tasks of the event loop: a few, and some more for each session.")
        self._turns_today = self._gauge(
            "turns_today",
            "The turns of this day (UTC) that count for TURNS_PER_DAY, as far as this server knows; 0 without a limit.",
            of_all="livemax",
        )
        self._turns_per_day = self._gauge("turns_per_day", "TURNS_PER_DAY; 0 means no limit.", of_all="livemax")
        for transport in TRANSPORTS:
            self._sessions_started.labels(transport)
            self._underruns.labels(transport)
        for reason in Reason:
            self._refusals.labels(reason.value)
        for label in LABEL_OF_STEP.values():
            self._steps.labels(label)
        for outcome in PREEMPTIVE_OUTCOMES:
            self._preemptive.labels(outcome)
        for tag in ToolTag:
            self._call_times.labels(tag.value)
            for status in CallStatus:
                if status is not CallStatus.RUNNING and (status is not NOT_CONFIRMED or tag is ToolTag.CONFIRM):
                    self._calls.labels(tag.value, status.value)

    def _name(self, name: str, kind: str, meaning: str, labels: tuple[str, ...]) -> str:
        self.infos.append(MetricInfo(f"voicebot_{name}", kind, labels, meaning))
        return f"voicebot_{name}"

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(self._name(name, "counter", meaning, labels), meaning, labels, registry=self.registry)

    def _gauge(self, name: str, meaning: str, *labels: str, of_all: OfAll = "livesum") -> Gauge:
        full_name = self._name(name, "gauge", meaning, labels)
        return Gauge(full_name, meaning, labels, registry=self.registry, multiprocess_mode=of_all)

    def _histogram(self, name: str, meaning: str, *labels: str, buckets: tuple[float, ...] = BUCKETS_S) -> Histogram:
        full_name = self._name(name, "histogram", meaning, labels)
        return Histogram(full_name, meaning, labels, buckets=buckets, registry=self.registry)

    def watch(self, source: MetricsSource) -> None:
        """Lets each scrape ask `source` for the sessions, the engines and the turns of today.

        The failures of engines are shown from 0 on: Prometheus sees no increase in a series that begins with 1.
        """
        self._source = source
        for stage, engines in source.engine_health.items():
            for engine in engines:
                self._fallbacks.labels(stage, engine.name)
                for fault in Fault:
                    self._engine_errors.labels(stage, engine.name, fault.value)

    def _set_gauges(self) -> None:
        if self._source is None:
            return
        for transport in TRANSPORTS:
            self._sessions.labels(transport).set(self._source.count_sessions(transport))
        for stage, engines in self._source.engine_health.items():
            for engine in engines:
                self._engine_ready.labels(stage, engine.name).set(engine.ready)
        self._tasks.set(len(asyncio.all_tasks()))
        self._turns_today.set(self._source.turns_today)
        self._turns_per_day.set(self._source.turns_per_day)

    async def time_loop(self) -> None:
        """Measures the lag of the event loop until cancelled: four times a second, for 0.04 % of a core.

        A worker of several also writes its gauges once a second, for the worker that is asked for those of all. It
        takes them back at the end, after which it may stay for its recordings.
        """
        try:
            for measurement in itertools.count():
                if self._folder is not None and measurement % GAUGES_EACH == 0:
                    self._set_gauges()
                    if measurement == 0:  # by now the files are there
                        with contextlib.suppress(OSError):  # without it, the worker goes on until the disk is full
                            shared_metrics.reserve_space(self._folder, os.getpid())
                asked_s = time.monotonic()
                await asyncio.sleep(LAG_INTERVAL_S)
                self._lag.observe(max(0.0, time.monotonic() - asked_s - LAG_INTERVAL_S))
        finally:
            if self._folder is not None:
                shared_metrics.remove_gauges(self._folder, os.getpid())

    def count_session(self, transport: str) -> None:
        self._sessions_started.labels(transport).inc()

    def count_underruns(self, transport: str, frames: int) -> None:
        self._underruns.labels(transport).inc(frames)

    def count_refusal(self, reason: Reason) -> None:
        self._refusals.labels(reason.value).inc()

    def count_failure(self, stage: str, engine: str, error: EngineError) -> None:
        self._engine_errors.labels(stage, engine, error.fault.value).inc()

    def count_call(self, tag: ToolTag, status: CallStatus, seconds: float) -> None:
        """Counts the call of a tool that has worked for so long and ended like this."""
        self._calls.labels(tag.value, status.value).inc()
        self._call_times.labels(tag.value).observe(seconds)

    def count_facts(self, facts: Iterable[Fact]) -> None:
        """Counts what has happened in a session."""
        for fact in facts:
            match fact:
                case TurnAnswered(turn=turn):
                    self._count_turn(turn)
                case VerdictGiven(record):
                    self._verdicts.labels(record.verdict.decision.value, record.verdict.rule).inc()
                    self._verdict_times.observe(record.took_s)
                case ReplyCommitted(preemptive=True):
                    self._preemptive.labels(KEPT).inc()
                case ReplyFinished(committed=False):
                    self._preemptive.labels(DISCARDED).inc()
                    self._tokens_discarded.inc(fact.tokens_discarded)
                case ReplyFinished(interrupted=True):
                    self._barge_ins.inc()
                case WrongStartRepaired():
                    self._wrong_starts.inc()
                case ToolCallChanged(record) if record.status is NOT_CONFIRMED and not record.reported:
                    self._calls.labels(ToolTag.CONFIRM.value, NOT_CONFIRMED.value).inc()
                case EngineChanged(stage, engine, reasons) if reasons:
                    self._fallbacks.labels(stage.value, engine).inc()
                case ErrorRaised():
                    self._errors.inc()
                case _:
                    pass

    def _count_turn(self, turn: Turn) -> None:
        self._turns.inc()
        if turn.typed or turn.response_gap_s is None:
            return
        self._gaps.observe(turn.response_gap_s)
        for step in turn_view(turn):
            self._steps.labels(LABEL_OF_STEP[step["name"]]).observe((step["to_ms"] - step["from_ms"]) / 1000)

    def exposition(self) -> bytes:
        """Returns all metrics of this process in Prometheus's text format."""
        self._set_gauges()
        return generate_latest(self.registry)

    async def exposition_of_all(self, processes: Mapping[int, str]) -> bytes:
        """Returns the metrics of all workers together, also of ended ones, in Prometheus's text format.

        `processes` has the name of each living worker by its process id. Only the metrics of processes tell the workers
        apart. Reading takes 2 ms and 0.5 ms for each worker, in a thread.
        """
        assert self._folder is not None, "one process alone has its own metrics only"
        self._set_gauges()
        registry = CollectorRegistry()
        registry.register(shared_metrics.SharedMetrics(self._folder))
        PlatformCollector(registry)
        registry.register(ProcessMetrics(processes))
        return await asyncio.to_thread(generate_latest, registry)
