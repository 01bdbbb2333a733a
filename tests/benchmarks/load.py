"""`make bench-load` adds users to one process of our app until it is full, and prints a Markdown table.

The app has stub engines with the delays of `make bench`, and the real speech detector, echo detector and codecs. The
users run on the same machine, in a process of their own. A transport is full when the 95th percentile of the
response gap has grown by 30 % over that of the first step, when sound came too late to be played, or when a user got no
answer.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
from asyncio.subprocess import PIPE
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import psutil

from tests.benchmarks import bots
from tests.benchmarks.bots import Bot
from tests.benchmarks.figures import p95
from tests.benchmarks.load_users import USERS
from tests.support.paths import PROJECT

STEPS = (2, 4, 8, 12, 16, 20, 24, 28, 32)
GROWTH = 1.3

NO_LIMITS: dict[str, Any] = {
    "max_sessions": 200,
    "max_sessions_per_address": 0,
    "offers_per_minute": 10_000,
    "idle_timeout_s": 0,
}

HEAD = (
    "| sessions | response gap, median / p95 (n) | dropouts | unanswered | CPU of the app | its loop late, p95 / most |"
)


async def step(bot: Bot, transport: str, sessions: int, seconds: float) -> dict[str, Any]:
    """Runs a number of users, and returns their figures and the app's load."""
    app = psutil.Process(bot.pid)
    users = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.benchmarks.load_users", bot.url),
        *("--transport", transport, "--sessions", str(sessions), "--seconds", str(seconds)),
        cwd=PROJECT,
        stdout=PIPE,
    )
    assert users.stdout is not None
    await users.stdout.readline()  # All users are connected.
    async with httpx.AsyncClient(trust_env=False) as http:
        await http.get(f"{bot.control_url}/bench/lag")
        before_s = sum(app.cpu_times()[:2])
        measured: dict[str, Any] = json.loads(await users.stdout.readline())
        measured["cpu"] = (sum(app.cpu_times()[:2]) - before_s) / seconds
        measured["lag"] = (await http.get(f"{bot.control_url}/bench/lag")).json()
    await users.wait()
    return measured


def row(sessions: int, measured: dict[str, Any]) -> str:
    gaps = measured["gaps_ms"]
    gap = f"{median(gaps):.0f} / {p95(gaps):.0f} ms (n {len(gaps)})" if gaps else "–"
    late = f"{measured['lag']['p95']:.0f} / {measured['lag']['most']:.0f} ms"
    return (
        f"| {sessions} | {gap} | {measured['dropouts']} | {measured['unanswered']} | {measured['cpu']:.0%} | {late} |"
    )


def is_full(measured: dict[str, Any], first: dict[str, Any]) -> bool:
    troubled = measured["dropouts"] or measured["unanswered"] or measured["failures"] or not measured["gaps_ms"]
    return bool(troubled) or p95(measured["gaps_ms"]) > GROWTH * p95(first["gaps_ms"])


async def fill(transport: str, steps: list[int], seconds: float, logs: Path) -> list[str]:
    """Returns the table of one transport."""
    lines = [f"### {transport}", "", HEAD, "|---" * 6 + "|"]
    async with bots.running(bots.LOAD, logs, **NO_LIMITS) as bot:
        first: dict[str, Any] | None = None
        for sessions in steps:
            measured = await step(bot, transport, sessions, seconds)
            lines.append(row(sessions, measured))
            first = first or measured
            if measured["failures"]:
                lines += ["", f"- {sessions} sessions: {'; '.join(sorted(set(measured['failures'])))}"]
            if is_full(measured, first):
                lines += [
                    "",
                    f"- full at {sessions} sessions; the users took {measured['users_cpu']:.0%} of a core there",
                ]
                break
    return [*lines, ""]


async def profile(transport: str, sessions: int, seconds: float, logs: Path) -> Path:
    """Returns a file with the time spent in each function."""
    path = logs / f"{transport}-{sessions}.txt"
    async with bots.running(bots.LOAD, logs, "--profile", str(path), **NO_LIMITS) as bot:
        await step(bot, transport, sessions, seconds)
        app = psutil.Process(bot.pid)
        app.send_signal(signal.SIGINT)  # The bot writes the file on SIGINT.
        await asyncio.to_thread(app.wait, 20)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.load", description=__doc__)
    parser.add_argument("--transports", nargs="+", choices=USERS, default=list(USERS))
    parser.add_argument("--steps", nargs="+", type=int, default=list(STEPS), help="numbers of sessions")
    parser.add_argument("--seconds", type=float, default=60.0, help="the duration of each step")
    parser.add_argument(
        "--profile", type=int, metavar="SESSIONS", help="print only a profile with this number of sessions"
    )
    options = parser.parse_args()
    logs = Path(tempfile.mkdtemp(prefix="load-"))
    sys.stdout.write(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before the start; logs in {logs}.\n\n")
    for transport in options.transports:
        if options.profile is not None:
            path = asyncio.run(profile(transport, options.profile, options.seconds, logs))
            sys.stdout.write(path.read_text("utf-8"))
        else:
            sys.stdout.write("\n".join(asyncio.run(fill(transport, options.steps, options.seconds, logs))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
