"""`make bench-load` adds users to one process of our app until it is full, and prints a Markdown table.

With `--engines stubs` the app has stub engines with the delays of `make bench`. With `--engines services` it is the app
as delivered, with the clients of Deepgram, Groq and ElevenLabs, and these services are simulated with the same delays.
Speech detector, echo detector and codecs are real in both. The users and the services run on the same machine, in
processes of their own. A transport is full when the 95th percentile of the response gap has grown by 30 % over that of
the first step, when sound came too late to be played, or when a user got no answer.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
from abc import ABC, abstractmethod
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import psutil
from prometheus_client.parser import text_string_to_metric_families

from tests.benchmarks import bots
from tests.benchmarks.figures import p95
from tests.benchmarks.load_users import USERS
from tests.support.app_process import environment, running
from tests.support.paths import PROJECT

STEPS = (2, 4, 8, 12, 16, 20, 24, 28, 32)
GROWTH = 1.3

NO_LIMITS: dict[str, Any] = {
    "max_sessions": 200,
    "max_sessions_per_address": 0,
    "offers_per_minute": 10_000,
    "idle_timeout_s": 0,
}

CGROUP = Path("/sys/fs/cgroup/cpu")
PERIOD_US = 10_000
"""A process that is held to a share of a core gets it anew in each period. The kernel's usual 100 ms would let it rest
for 50 ms in one piece."""

HEAD = (
    "| sessions | response gap, median / p95 (n) | first token | dropouts | unanswered | CPU of the app | of it its"
    " event loops | its loop late, mean / p95 |"
)


class LoadedApp(ABC):
    """The app under load."""

    def __init__(self, url: str, pid: int) -> None:
        self.url, self.process = url, psutil.Process(pid)

    def cpu_s(self) -> tuple[float, float]:
        """Returns the processor time so far of the app with its workers, and that of their main threads."""
        processes = [self.process, *self.process.children(recursive=True)]
        return sum(sum(each.cpu_times()[:2]) for each in processes), sum(map(_main_thread_s, processes))

    @abstractmethod
    async def restart_figures(self, http: httpx.AsyncClient) -> None:
        """Begins a new measurement."""

    @abstractmethod
    async def figures(self, http: httpx.AsyncClient) -> dict[str, float | None]:
        """Returns the figures of the measurement in ms: `lag_mean` and `lag_p95` of the event loop, `first_token`."""


def _main_thread_s(process: psutil.Process) -> float:
    return sum(each.user_time + each.system_time for each in process.threads() if each.id == process.pid)


class StubbedApp(LoadedApp):
    """The app on stub engines, whose first token comes 150 ms after it was asked for."""

    async def restart_figures(self, http: httpx.AsyncClient) -> None:
        await http.get(f"{self.url}/bench/lag")

    async def figures(self, http: httpx.AsyncClient) -> dict[str, float | None]:
        lag = (await http.get(f"{self.url}/bench/lag")).json()
        return {"lag_mean": lag["mean"], "lag_p95": lag["p95"], "first_token": None}


class DeliveredApp(LoadedApp):
    """The app as delivered. Its figures come from /metrics, so p95 of the lag is the bound of a bucket."""

    async def restart_figures(self, http: httpx.AsyncClient) -> None:
        self._before = await self._scrape(http)

    async def figures(self, http: httpx.AsyncClient) -> dict[str, float | None]:
        now = await self._scrape(http)
        grown = {name: value - self._before.get(name, 0.0) for name, value in now.items()}
        lag, token = "voicebot_loop_lag_seconds", "voicebot_turn_step_seconds"
        buckets = {float(bound): count for (name, bound), count in grown.items() if name == f"{lag}_bucket"}
        samples = buckets[float("inf")]
        tokens = grown.get((f"{token}_count", "llm_ttft"), 0.0)
        return {
            "lag_mean": 1000 * grown[f"{lag}_sum", ""] / samples,
            "lag_p95": 1000 * min(bound for bound, count in buckets.items() if count >= 0.95 * samples),
            "first_token": 1000 * grown[f"{token}_sum", "llm_ttft"] / tokens if tokens else None,
        }

    async def _scrape(self, http: httpx.AsyncClient) -> dict[tuple[str, str], float]:
        """Returns the samples by name and by their bucket or step."""
        page = (await http.get(f"{self.url}/metrics")).raise_for_status().text
        return {
            (sample.name, sample.labels.get("le") or sample.labels.get("step", "")): sample.value
            for family in text_string_to_metric_families(page)
            for sample in family.samples
            if "le" not in sample.labels or "step" not in sample.labels
        }


@asynccontextmanager
async def stubbed(logs: Path, *arguments: str) -> AsyncIterator[StubbedApp]:
    async with bots.running(bots.LOAD, logs, *arguments, **NO_LIMITS) as bot:
        yield StubbedApp(bot.url, bot.pid)


@asynccontextmanager
async def delivered(logs: Path, workers: int) -> AsyncIterator[DeliveredApp]:
    """Runs the app as delivered, on simulated services. Blocks while the app starts and ends."""
    async with bots.running(bots.SERVICES, logs, "--crowd") as services, httpx.AsyncClient(trust_env=False) as http:
        settings = (await http.get(f"{services.url}/settings")).raise_for_status().json()
        options = () if workers == 1 else ("--workers", str(workers))
        command = [sys.executable, str(PROJECT / "app.py"), "--port", "0", *options]
        with running(command, logs, environment(**NO_LIMITS, **settings)) as app:
            yield DeliveredApp(app.url, app.process.pid)


@contextmanager
def held_to(app: LoadedApp, workers: int, cores: float) -> Iterator[None]:
    """Holds each worker of the app to a share of a core, by Linux's control groups (version 1)."""
    serving = [app.process] if workers == 1 else app.process.children()
    groups = [CGROUP / f"voicebot-{worker.pid}" for worker in serving]
    for group, worker in zip(groups, serving, strict=True):
        group.mkdir()
        (group / "cpu.cfs_period_us").write_text(str(PERIOD_US))
        (group / "cpu.cfs_quota_us").write_text(str(round(cores * PERIOD_US)))
        for process in (worker, *worker.children(recursive=True)):
            (group / "cgroup.procs").write_text(str(process.pid))
    try:
        yield
    finally:
        for group in groups:
            for pid in (group / "cgroup.procs").read_text().split():
                (CGROUP / "cgroup.procs").write_text(pid)
            group.rmdir()


async def step(app: LoadedApp, transport: str, sessions: int, seconds: float, *more: str) -> dict[str, Any]:
    """Runs a number of users, and returns their figures and the app's load."""
    users = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.benchmarks.load_users", app.url),
        *("--transport", transport, "--sessions", str(sessions), "--seconds", str(seconds), *more),
        cwd=PROJECT,
        stdout=PIPE,
    )
    assert users.stdout is not None
    await users.stdout.readline()  # All users are connected.
    async with httpx.AsyncClient(trust_env=False) as http:
        await app.restart_figures(http)
        before_s = app.cpu_s()
        measured: dict[str, Any] = json.loads(await users.stdout.readline())
        used, of_loops = (now_s - then_s for now_s, then_s in zip(app.cpu_s(), before_s, strict=True))
        measured |= {"cpu": used / seconds, "loop_cpu": of_loops / seconds, **await app.figures(http)}
    await users.wait()
    return measured


def row(sessions: int, measured: dict[str, Any]) -> str:
    gaps, token = measured["gaps_ms"], measured["first_token"]
    cells = [
        str(sessions),
        f"{median(gaps):.0f} / {p95(gaps):.0f} ms (n {len(gaps)})" if gaps else "–",
        "–" if token is None else f"{token:.0f} ms",
        *(str(measured[name]) for name in ("dropouts", "unanswered")),
        *(f"{measured[name]:.0%}" for name in ("cpu", "loop_cpu")),
        f"{measured['lag_mean']:.1f} / {measured['lag_p95']:.0f} ms",
    ]
    return f"| {' | '.join(cells)} |"


def is_full(measured: dict[str, Any], first: dict[str, Any]) -> bool:
    troubled = measured["dropouts"] or measured["unanswered"] or measured["failures"] or not measured["gaps_ms"]
    return bool(troubled) or p95(measured["gaps_ms"]) > GROWTH * p95(first["gaps_ms"])


async def fill(app: LoadedApp, transport: str, steps: Sequence[int], seconds: float) -> list[str]:
    """Returns the table of one transport."""
    lines = [HEAD, "|---" * HEAD.count(" | ") + "|---|"]
    first: dict[str, Any] | None = None
    for sessions in steps:
        measured = await step(app, transport, sessions, seconds)
        lines.append(row(sessions, measured))
        first = first or measured
        if measured["failures"]:
            lines += ["", f"- {sessions} sessions: {'; '.join(sorted(set(measured['failures'])))}"]
        if is_full(measured, first):
            lines += ["", f"- full at {sessions} sessions; the users took {measured['users_cpu']:.0%} of a core there"]
            break
    return [*lines, ""]


async def quiet(app: LoadedApp, transport: str, sessions: int, seconds: float) -> list[str]:
    """Returns what sessions take in which nobody talks."""
    measured = await step(app, transport, sessions, seconds, "--quiet")
    return [f"- {sessions} quiet sessions over {transport} take {measured['cpu'] / sessions:.2%} of a core each", ""]


async def profile(transport: str, sessions: int, seconds: float, logs: Path) -> Path:
    """Returns a file with the time spent in each function, on stub engines."""
    path = logs / f"{transport}-{sessions}.txt"
    async with stubbed(logs, "--profile", str(path)) as app:
        await step(app, transport, sessions, seconds)
        app.process.send_signal(signal.SIGINT)  # The bot writes the file on SIGINT.
        await asyncio.to_thread(app.process.wait, 20)
    return path


@dataclass(frozen=True, slots=True)
class Load:
    """One measurement: the app, the users, and the numbers of sessions of its steps."""

    transport: str
    engines: str
    steps: tuple[int, ...]
    workers: int = 1
    cores: float | None = None
    """Each worker is held to this share of a core."""
    quiet: bool = False
    """Nobody talks."""
    seconds: float = 25.0
    """The duration of each step, unless another one is asked for. On half a core there are few answers in 25 s."""

    def __str__(self) -> str:
        workers = f", {self.workers} workers" if self.workers > 1 else ""
        cores = f", each held to {self.cores:g} of a core" if self.cores else ""
        return f"{self.transport}, {self.engines}{workers}{cores}"


KNEE = (
    Load("webrtc", "services", (2, 12, 14, 16, 18, 20, 22)),
    Load("webrtc", "stubs", (2, 12, 16, 18, 20, 22, 24)),
    Load("webrtc", "services", (2, 4, 5, 6, 7, 8), cores=0.5, seconds=60),
    Load("webrtc", "services", (4, 7, 8, 9, 10, 12), workers=2, cores=0.5, seconds=60),
    Load("webrtc", "services", (16,), quiet=True),
)
"""How many people one process holds, how many it holds on half a core and two of them on half a core each, and what
quiet sessions take."""


async def measure(load: Load, seconds: float, logs: Path) -> list[str]:
    async with stubbed(logs) if load.engines == "stubs" else delivered(logs, load.workers) as app:
        with held_to(app, load.workers, load.cores) if load.cores else nullcontext():
            lines = [f"### {load}", ""]
            if load.quiet:
                for sessions in load.steps:
                    lines += await quiet(app, load.transport, sessions, seconds)
                return lines
            return [*lines, *await fill(app, load.transport, load.steps, seconds)]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.load", description=__doc__)
    parser.add_argument("--transports", nargs="+", choices=USERS, default=list(USERS))
    parser.add_argument("--engines", nargs="+", choices=("stubs", "services"), default=["stubs", "services"])
    parser.add_argument("--steps", nargs="+", type=int, default=list(STEPS), help="numbers of sessions")
    parser.add_argument("--seconds", type=float, help="the duration of each step (default: 60, with --knee 25 or 60)")
    parser.add_argument("--workers", type=int, default=1, help="of the app; only with --engines services")
    parser.add_argument("--cores", type=float, help="hold each worker to this share of a core (Linux, as root)")
    parser.add_argument("--quiet", action="store_true", help="nobody talks")
    parser.add_argument(
        "--knee", action="store_true", help="run the five measurements of `KNEE` instead, in some twenty minutes"
    )
    parser.add_argument(
        "--profile", type=int, metavar="SESSIONS", help="print only a profile with this number of sessions"
    )
    options = parser.parse_args()
    if options.workers > 1 and options.engines != ["services"]:
        parser.error("only the app as delivered has workers: --engines services")
    logs = Path(tempfile.mkdtemp(prefix="load-"))
    sys.stdout.write(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before the start; logs in {logs}.\n\n")
    if options.profile is not None:
        for transport in options.transports:
            path = asyncio.run(profile(transport, options.profile, options.seconds or 60.0, logs))
            sys.stdout.write(path.read_text("utf-8"))
        return
    chosen = [
        Load(transport, engines, tuple(options.steps), options.workers, options.cores, options.quiet)
        for transport in options.transports
        for engines in options.engines
    ]
    for load in KNEE if options.knee else chosen:
        seconds = options.seconds or (load.seconds if options.knee else 60.0)
        sys.stdout.write("\n".join(asyncio.run(measure(load, seconds, logs))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
