"""Users talk to the running app over WebRTC: connection time, response gap and its steps, CPU, memory.

`make bench-embedded` prints these figures, and those of eight users at once. The app is a process of its own on the
embedded engines. The users' speech comes from flite.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from select import select
from statistics import median
from typing import Any

import httpx
import numpy as np
import psutil
from prometheus_client.parser import text_string_to_metric_families

from tests.benchmarks.figures import p95
from tests.support.app_process import App, running_app
from tests.support.paths import PROJECT
from tests.support.rtc_client import RtcClient
from tests.support.speech import spoken
from voicebot.audio.sound import Audio

QUESTIONS = (
    "what time is it in tokyo",
    "what is ten times three",
    "tell me a joke",
    "tell me a long story",
    "what can you do",
    "what time is it in london",
)
CONNECTIONS = 10
ROUNDS = 3
CPU_S = 10.0
LONGEST_ANSWER_S = 12.0
PEOPLE = 8
CROWD_S = 60.0
TEXT_S = 0.4
"""A bound of the buckets in `voicebot.observability.metrics`."""


def row(name: str, values: list[float], unit: str) -> str:
    return f"| {name} | {median(values):.0f} {unit} | {p95(values):.0f} {unit} | {len(values)} |"


def cpu_s(processes: list[psutil.Process]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in processes)


async def share_of_core(processes: list[psutil.Process]) -> float:
    """Returns the percentage of a core used over the next ten seconds."""
    before, start_s = cpu_s(processes), time.monotonic()
    await asyncio.sleep(CPU_S)
    return 100 * (cpu_s(processes) - before) / (time.monotonic() - start_s)


async def connection_times(app: App) -> list[float]:
    times = []
    for _ in range(CONNECTIONS):
        async with RtcClient(app.url) as client:
            times.append(client.connect_s * 1000)
    return times


def question_of(text: str) -> Audio:
    """Returns the question as speech, without the fifth of a second of silence that flite appends."""
    audio = spoken(text)
    loudness = np.abs(audio.samples.astype(int))
    return Audio(audio.samples[: np.flatnonzero(loudness > 0.02 * loudness.max())[-1] + 1], audio.rate_hz)


async def ask(client: RtcClient, question: str) -> tuple[float, dict[str, Any]]:
    """Returns the response gap in ms, from the last frame of the question to the first sound, and the state."""
    before = len(client.messages)
    client.microphone.say(question_of(question))
    ended_s = await client.microphone.said()
    sounded_s = await client.heard.wait_for_sound(30, after_s=ended_s)
    try:
        await client.heard.wait_for_silence(1.0, LONGEST_ANSWER_S)
    except TimeoutError:  # This question asks for the story.
        client.send({"type": "interrupt"})
        await client.heard.wait_for_silence(1.0)
    answered = [message for message in client.messages[before:] if message["type"] == "state" and message["turn"]]
    return (sounded_s - ended_s) * 1000, answered[-1]


async def bench(app: App) -> list[str]:
    lines = ["| what | median | p95 | n |", "|---|---|---|---|"]
    lines.append(row("connection, offer to open data channel", await connection_times(app), "ms"))
    gaps: list[float] = []
    parts: dict[str, list[float]] = {}
    async with RtcClient(app.url) as client:
        for _ in range(ROUNDS):
            for question in QUESTIONS:
                gap_ms, state = await ask(client, question)
                gaps.append(gap_ms)
                for stage in state["turn"]:
                    parts.setdefault(stage["name"], []).append(stage["to_ms"] - stage["from_ms"])
    lines.append(row("response gap on the wire", gaps, "ms"))
    lines += [row(f"of it: {name}", values, "ms") for name, values in parts.items()]

    workers = app.process.children(recursive=True)
    lines += ["", "| CPU, share of one core over 10 s | app | workers |", "|---|---|---|"]
    lines.append(f"| no session | {await share_of_core([app.process]):.1f} % | – |")
    async with RtcClient(app.url) as client:
        used, of_workers = await asyncio.gather(share_of_core([app.process]), share_of_core(workers))
        lines.append(f"| one silent session | {used:.1f} % | {of_workers:.1f} % |")
        client.send({"type": "text", "text": "tell me a long story"})
        await client.heard.wait_for_sound()
        used, of_workers = await asyncio.gather(share_of_core([app.process]), share_of_core(workers))
        lines.append(f"| one session, the bot speaking | {used:.1f} % | {of_workers:.1f} % |")
        client.send({"type": "interrupt"})
        client.microphone.say(spoken(" ".join(QUESTIONS * 2)))
        used, of_workers = await asyncio.gather(share_of_core([app.process]), share_of_core(workers))
        lines.append(f"| one session, the user speaking | {used:.1f} % | {of_workers:.1f} % |")
    return lines


def final_texts(app: App) -> tuple[float, float]:
    """Returns the number of final texts, and of those within `TEXT_S` of the end of the speech."""
    page = httpx.get(f"{app.url}/metrics", trust_env=False).text
    counts = {
        sample.labels["le"]: sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name == "voicebot_turn_step_seconds_bucket" and sample.labels["step"] == "transcription"
    }
    return counts["+Inf"], counts[str(TEXT_S)]


def crowd(app: App) -> list[str]:
    """Measures several people at once who ask, listen or interrupt, and ask again."""
    before, before_mb = final_texts(app), app.process.memory_info().rss / 1e6
    command = (*(sys.executable, "-m", "tests.benchmarks.load_users", app.url), "--sessions", str(PEOPLE))
    with subprocess.Popen([*command, "--seconds", f"{CROWD_S:g}"], cwd=PROJECT, stdout=subprocess.PIPE) as users:
        assert users.stdout is not None
        users.stdout.readline()  # All users are connected.
        used_s, most_mb = sum(app.process.cpu_times()[:2]), before_mb
        while not select([users.stdout], [], [], 0.5)[0]:
            most_mb = max(most_mb, app.process.memory_info().rss / 1e6)
        used_s = sum(app.process.cpu_times()[:2]) - used_s
        stats: dict[str, Any] = json.loads(users.stdout.readline())
    texts, soon = (after - earlier for after, earlier in zip(final_texts(app), before, strict=True))
    return [
        f"\n{PEOPLE} people at once for {CROWD_S:g} s: response gap {median(stats['gaps_ms']):.0f} ms, p95 "
        f"{p95(stats['gaps_ms']):.0f} ms (n {len(stats['gaps_ms'])}), unanswered {stats['unanswered']}, dropouts "
        f"{stats['dropouts']}; of {texts:.0f} final texts {100 * soon / texts:.0f} % within {TEXT_S:g} s of the end of "
        f"the speech; CPU {100 * used_s / CROWD_S:.0f} % of a core; memory {before_mb:.0f} MB before, "
        f"{most_mb:.0f} MB at most."
    ]


def main() -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        running_app(Path(folder), max_sessions=20, max_sessions_per_address=0) as app,
    ):
        sys.stdout.write("\n".join(asyncio.run(bench(app))) + "\n")
        sys.stdout.flush()
        sys.stdout.write("\n".join(crowd(app)) + "\n")


if __name__ == "__main__":
    main()
