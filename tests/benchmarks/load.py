"""`make bench-load`: more and more users talk to one process of our app, until it shows; a Markdown table tells.

Stub engines with the delays of FACTS.md, the real voice activity detector, echo detector and codecs. The users are on
the same machine, in a process of their own. A door is full when the 95th percentile of the response gap has grown by
30 % over that of the first step, when sound came too late to be played, or when somebody was not answered.
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


async def step(bot: Bot, door: str, sessions: int, seconds: float) -> dict[str, Any]:
    """What so many users had to put up with, and how busy the app was."""
    app = psutil.Process(bot.pid)
    users = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.benchmarks.load_users", bot.url),
        *("--door", door, "--sessions", str(sessions), "--seconds", str(seconds)),
        cwd=PROJECT,
        stdout=PIPE,
    )
    assert users.stdout is not None
    await users.stdout.readline()  # all are there
    async with httpx.AsyncClient(trust_env=False) as http:
        await http.get(f"{bot.door_url}/bench/lag")
        before_s = sum(app.cpu_times()[:2])
        told: dict[str, Any] = json.loads(await users.stdout.readline())
        told["cpu"] = (sum(app.cpu_times()[:2]) - before_s) / seconds
        told["lag"] = (await http.get(f"{bot.door_url}/bench/lag")).json()
    await users.wait()
    return told


def row(sessions: int, told: dict[str, Any]) -> str:
    gaps = told["gaps_ms"]
    gap = f"{median(gaps):.0f} / {p95(gaps):.0f} ms (n {len(gaps)})" if gaps else "–"
    late = f"{told['lag']['p95']:.0f} / {told['lag']['most']:.0f} ms"
    return f"| {sessions} | {gap} | {told['dropouts']} | {told['unanswered']} | {told['cpu']:.0%} | {late} |"


def is_full(told: dict[str, Any], first: dict[str, Any]) -> bool:
    troubled = told["dropouts"] or told["unanswered"] or told["failures"] or not told["gaps_ms"]
    return bool(troubled) or p95(told["gaps_ms"]) > GROWTH * p95(first["gaps_ms"])


async def fill(door: str, steps: list[int], seconds: float, logs: Path) -> list[str]:
    """The table of one door."""
    lines = [f"### {door}", "", HEAD, "|---" * 6 + "|"]
    async with bots.running(bots.LOAD, logs, **NO_LIMITS) as bot:
        first: dict[str, Any] | None = None
        for sessions in steps:
            told = await step(bot, door, sessions, seconds)
            lines.append(row(sessions, told))
            first = first or told
            if told["failures"]:
                lines += ["", f"- {sessions} sessions: {'; '.join(sorted(set(told['failures'])))}"]
            if is_full(told, first):
                lines += ["", f"- full at {sessions} sessions; the users took {told['users_cpu']:.0%} of a core there"]
                break
    return [*lines, ""]


async def profile(door: str, sessions: int, seconds: float, logs: Path) -> Path:
    """A file that says what took the time, by function."""
    path = logs / f"{door}-{sessions}.txt"
    async with bots.running(bots.LOAD, logs, "--profile", str(path), **NO_LIMITS) as bot:
        await step(bot, door, sessions, seconds)
        app = psutil.Process(bot.pid)
        app.send_signal(signal.SIGINT)  # it writes the file when it is interrupted
        await asyncio.to_thread(app.wait, 20)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.load", description=__doc__)
    parser.add_argument("--doors", nargs="+", choices=USERS, default=list(USERS))
    parser.add_argument("--steps", nargs="+", type=int, default=list(STEPS), help="numbers of sessions")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long each step is measured")
    parser.add_argument("--profile", type=int, metavar="SESSIONS", help="tell only where the time goes with so many")
    options = parser.parse_args()
    logs = Path(tempfile.mkdtemp(prefix="load-"))
    sys.stdout.write(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before the start; logs in {logs}.\n\n")
    for door in options.doors:
        if options.profile is not None:
            path = asyncio.run(profile(door, options.profile, options.seconds, logs))
            sys.stdout.write(path.read_text("utf-8"))
        else:
            sys.stdout.write("\n".join(asyncio.run(fill(door, options.steps, options.seconds, logs))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
