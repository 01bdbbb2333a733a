"""Several workers share their metrics in one folder: counts add up and outlive their worker, gauges do not."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest, values

from tests.support.metrics_page import samples
from voicebot.access.refusal import Reason
from voicebot.dialogue.facts import TurnAnswered
from voicebot.dialogue.state import Turn
from voicebot.engines.health import Health
from voicebot.engines.protocols import EngineStatus
from voicebot.observability.metrics import Metrics, ProcessMetrics
from voicebot.observability.shared_metrics import SharedMetrics, forget_worker, remove_gauges, reserve_space

SPOKEN = Turn(
    1.0, turn_ended_s=1.6, transcript_s=1.4, begun_s=1.1, token_s=1.2, sentence_s=1.3, audio_s=1.4, frame_s=1.7
)

NewWorker = Callable[[int, "Source"], Metrics]


class Source:
    """Stands in for the parts of a worker from which its metrics read their values when Prometheus asks for them."""

    def __init__(self, sessions: int, *, ready: bool = True, turns_today: int = 0) -> None:
        self._sessions, self._ready = sessions, ready
        self.turns_today, self.turns_per_day = turns_today, 100

    @property
    def engine_health(self) -> Health:
        return {"tts": (EngineStatus("tone", ready=self._ready),)}

    def count_sessions(self, _: str) -> int:
        return self._sessions


@pytest.fixture
def new_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NewWorker:
    """Returns a function that makes the metrics of the process with a given id, as its gauges stand now."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))

    def new(pid: int, source: Source) -> Metrics:
        monkeypatch.setattr(values, "ValueClass", values.MultiProcessValue(lambda: pid))
        metrics = Metrics(tmp_path)
        metrics.watch(source)
        metrics.exposition()
        return metrics

    return new


def together(folder: Path) -> dict[tuple[str, ...], float]:
    registry = CollectorRegistry()
    registry.register(SharedMetrics(folder))
    return samples(generate_latest(registry))


def missing_bytes(folder: Path) -> int:
    """Returns the bytes of the first worker's files for which no space on the disk is taken yet."""
    files = [each.stat() for each in folder.glob("*_1.db")]
    return sum(max(0, each.st_size - each.st_blocks * 512) for each in files)


async def test_counts_add_up_and_each_gauge_is_summed_or_its_extreme_taken(
    tmp_path: Path, new_worker: NewWorker
) -> None:
    first = new_worker(1, Source(2, turns_today=7))
    second = new_worker(2, Source(3, ready=False, turns_today=5))
    first.count_refusal(Reason.FULL)
    second.count_refusal(Reason.FULL)
    for metrics in (first, second, second):
        metrics.count_facts([TurnAnswered(1, SPOKEN)])
    found = together(tmp_path)
    assert found["voicebot_refusals_total", "full"] == 2
    assert found["voicebot_response_gap_seconds_count",] == 3
    assert found["voicebot_response_gap_seconds_bucket", "0.8"] == 3
    assert found["voicebot_sessions", "webrtc"] == 5
    assert found["voicebot_engine_ready", "tone", "tts"] == 0, "the engine fails in one of the workers"
    assert (found["voicebot_turns_today",], found["voicebot_turns_per_day",]) == (7, 100)
    assert samples(first.exposition())["voicebot_response_gap_seconds_count",] == 1, "each worker has its own values"
    ours = {name for name, *_ in samples(first.exposition()) if name.startswith("voicebot_")}
    assert {name for name in ours if not name.endswith("_created")} == {name for name, *_ in found}


async def test_the_counts_of_ended_workers_stay_in_files_that_do_not_pile_up(
    tmp_path: Path, new_worker: NewWorker
) -> None:
    for pid in range(1, 5):
        metrics = new_worker(pid, Source(1))
        metrics.count_refusal(Reason.FULL)
        metrics.count_facts([TurnAnswered(1, SPOKEN)])
    before = together(tmp_path)
    (tmp_path / "counter_98.db").touch()  # as of a worker that was killed when it had just begun to count
    for pid in (1, 2, 3, 3, 98, 99):
        forget_worker(tmp_path, pid)
    found = together(tmp_path)
    assert found["voicebot_sessions", "webrtc"] == 1
    counted = {key: value for key, value in before.items() if key[0].endswith(("_total", "_bucket", "_sum", "_count"))}
    assert {key: found[key] for key in counted} == counted
    assert counted["voicebot_response_gap_seconds_count",] == 4
    assert {name for name in os.listdir(tmp_path) if name.startswith(("counter", "histogram"))} == {
        f"{kind}_{whose}.db" for kind in ("counter", "histogram") for whose in ("4", "ended")
    }


async def test_a_worker_takes_the_disk_space_of_its_metrics_before_the_disk_is_full(
    tmp_path: Path, new_worker: NewWorker
) -> None:
    metrics = new_worker(1, Source(1))
    metrics.count_refusal(Reason.FULL)
    before = together(tmp_path)
    assert missing_bytes(tmp_path) > 0
    reserve_space(tmp_path, 1)
    assert missing_bytes(tmp_path) == 0
    assert together(tmp_path) == before
    metrics.count_refusal(Reason.FULL)
    assert together(tmp_path)["voicebot_refusals_total", "full"] == 2


async def test_the_metrics_can_be_read_while_a_worker_removes_its_gauges(
    tmp_path: Path, new_worker: NewWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    new_worker(1, Source(1))
    new_worker(2, Source(2))
    found = Path.glob

    def glob(folder: Path, pattern: str) -> list[Path]:
        listed = list(found(folder, pattern))
        remove_gauges(folder, 1)
        return listed

    monkeypatch.setattr(Path, "glob", glob)
    assert together(tmp_path)["voicebot_sessions", "webrtc"] == 2


def test_processes_are_told_apart_by_their_worker() -> None:
    registry = CollectorRegistry()
    registry.register(ProcessMetrics({os.getpid(): "0", os.getppid(): "1"}))
    found = samples(generate_latest(registry))
    assert {key for key in found if key[0] == "process_resident_memory_bytes"} == {
        ("process_resident_memory_bytes", worker) for worker in "01"
    }
