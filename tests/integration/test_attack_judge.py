"""The attack harness detects the effects that it must detect."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from tests.attacks import __main__ as command
from tests.attacks import probe, table
from tests.attacks.attack import ATTACKS, Attack
from tests.attacks.attacker import attacker, run
from tests.attacks.catalogue import ATTACKS as KNOWN
from tests.attacks.figures import Reading, reading
from tests.attacks.gradio_routes import routes
from tests.attacks.judge import Row
from tests.attacks.lag import Lag, LagLog, delays
from tests.attacks.target import Target
from tests.support.app_process import App
from tests.support.processor import waited_s

REST = Reading(memory_mb=300, disk_mb=1, unnamed_mb=0, descriptors=50, log_kb=2, cpu_s=10, sessions=2)


async def nothing(on: Target) -> None:
    """Does nothing."""
    on.counts["nothing"] += 1


async def counts_until_its_end(on: Target) -> None:
    """Never ends by itself. Counts its process number, and that it was ended."""
    on.counts["process"] = os.getpid()
    try:
        await asyncio.Event().wait()
    finally:
        on.counts["ended"] += 1


async def fails(on: Target) -> None:
    raise ZeroDivisionError


NOTHING = Attack("d0-nothing", "D0", nothing)


def row(**changed: object) -> Row:
    """Returns an attack without effect, except for the changed fields."""
    usual = Row(NOTHING, "unlocked", "other", Lag(3, 9, 0, 6), REST, 301, REST, (0.1, 0.1), 0.2, 0.1, {"ws": None})
    return replace(usual, **changed)  # type: ignore[arg-type]


def target() -> Target:
    return Target("http://127.0.0.1:1", ("127.0.0.2",), "127.0.0.1", seconds=0.5)


def test_an_attack_without_effect_is_judged_ok() -> None:
    assert row().failures == []
    assert not row().leaves_marks
    assert table.line(row()).endswith("ok")


@pytest.mark.parametrize(
    ("changed", "found", "marks"),
    [
        ({"lag": Lag(51, 60, 0, 6)}, "lag p95 51 ms", False),
        ({"lag": Lag(3, 251, 0, 6)}, "lag at most 251 ms", False),
        ({"lag": Lag(3, 9, 1, 6)}, "/health had no answer for 1 of 6 new connections", False),
        ({"after": replace(REST, memory_mb=331)}, "memory not given back 31 MB", True),
        ({"after": replace(REST, disk_mb=2.6)}, "disk not given back 2 MB", True),
        ({"after": replace(REST, log_kb=103)}, "log grew 101 kB", True),
        ({"after": replace(REST, descriptors=91)}, "open files left 41", True),
        ({"after": replace(REST, unnamed_mb=21)}, "files without a name 21 MB", True),
        ({"after": replace(REST, sessions=3)}, "1 of the attacker's sessions are still open", True),
        ({"rest_cpu": (0.1, 1.1)}, "still uses 110% of a core", True),
        ({"honest": {"ws": None, "webrtc": "got no answer"}}, "webrtc: got no answer", True),
        ({"problems": ["GET /x gave 200"]}, "GET /x gave 200", False),
        ({"problem": "nothing could be measured"}, "nothing could be measured", True),
    ],
)
def test_each_effect_of_an_attack_is_reported_as_a_failure(changed: dict[str, object], found: str, marks: bool) -> None:
    judged = row(**changed)
    assert judged.failures == [found]
    assert judged.leaves_marks is marks
    assert table.line(judged).endswith(f"FAILED: {found}")
    assert table.as_json(judged)["failures"] == [found]


def test_refused_connections_pass_when_the_attack_comes_from_the_users_own_address() -> None:
    assert row(lag=Lag(3, 9, 6, 6), place="own").failures == []


def test_a_stall_counts_for_all_requests_that_would_have_been_made_meanwhile() -> None:
    """After fifty quick answers and one of two seconds, users waited two thirds of the time."""
    felt = delays([2.0] * 50 + [2_000.0])
    assert len(felt) == 150
    assert sorted(felt)[75] > 400
    assert max(delays([-0.1])) == 10_000
    assert max(delays([])) == 10_000, "no measurement proves anything here"


async def test_the_lag_covers_only_the_requested_time_span() -> None:
    log = LagLog()
    for line in (
        "lag 1.0 900.0",
        "lag 2.0 3.0",
        "lag 2.1 4.0",
        "new 2.1 -1.00",
        "new 2.2 5.0",
        "lag 3.0 80.0",
        "new 3.2 5.0",
    ):
        log.add(line)
    assert await log.between(1.5, 2.5) == Lag(p95=4.0, most=4.0, refused=1, tried=2)


async def test_after_an_attack_too_short_to_be_measured_the_next_measurement_counts() -> None:
    log = LagLog()
    for line in ("lag 1.0 900.0", "new 1.0 900.0", "lag 2.0 3.0", "new 2.1 4000.0", "lag 3.0 80.0"):
        log.add(line)
    assert await log.between(1.5, 1.6) == Lag(p95=3.0, most=3.0, refused=1, tried=1)


def test_a_probe_whose_connection_was_closed_reconnects() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"

    def serve(listener: socket.socket) -> None:
        for _ in range(2):
            client, _ = listener.accept()
            with client:
                client.recv(1_000)
                client.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor() as pool:
        served = pool.submit(serve, listener)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with contextlib.closing(probe.connection(url, "127.0.0.2")) as link:
            assert probe.asked_ms(link) > 0
            assert probe.asked_ms(link) > 0, "the first connection is closed after one answer"
        served.result()
    with contextlib.closing(probe.connection(url, "127.0.0.2")) as link:
        assert probe.asked_ms(link) < 0, "no server listens any more"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux reports how long a thread has waited")
def test_waiting_for_a_processor_that_another_process_uses_is_known() -> None:
    computing = [sys.executable, "-c", "while True: pass"]
    mine = os.sched_getaffinity(0)
    before_s = waited_s()
    one = {min(mine)}
    other = subprocess.Popen(computing, preexec_fn=lambda: os.sched_setaffinity(0, one))
    try:
        os.sched_setaffinity(0, one)
        until_s = time.thread_time() + 0.2
        while time.thread_time() < until_s:
            pass
        assert waited_s() - before_s > 0.05
    finally:
        os.sched_setaffinity(0, mine)
        other.kill()
        other.wait()


async def test_a_stall_that_outlasts_the_attack_is_counted() -> None:
    log = LagLog()
    for line in ("lag 1.0 3.0", "lag 2.0 4.0", "new 4.0 1900.0", "new 7.0 3.0"):
        log.add(line)
    asyncio.get_running_loop().call_later(0.05, log.add, "lag 5.0 2900.0")
    lag = await log.between(1.5, 2.5)
    assert (lag.most, lag.refused) == (2_900, 1)
    log.add("lag 15.0 -9900.0")
    assert (await log.between(5.05, 6.0)).most == 10_000


def test_an_attack_runs_in_its_own_process_until_its_time_is_over_and_reports_its_counts() -> None:
    with attacker(Attack("d0-counts", "D0", counts_until_its_end), target()) as ready:
        began_s = time.monotonic()
        outcome = ready.attack()
        assert time.monotonic() - began_s >= target().seconds
    assert outcome.problems == []
    assert outcome.counts["process"] != os.getpid()
    assert outcome.counts["ended"] == 1


def test_an_attack_that_raises_reports_its_error_and_that_it_never_attacked() -> None:
    with attacker(Attack("d0-fails", "D0", fails), target()) as ready:
        failure, idle = ready.attack().problems
    assert "ZeroDivisionError" in failure
    assert "never came to attack" in idle


async def test_a_target_counts_refused_connections_and_lists_each_failed_expectation_once() -> None:
    aim = target()
    async with aim.http() as http:
        assert await aim.request(http, "GET", "/") is None
    assert aim.counts == {"ConnectError": 1}
    await run(NOTHING, aim)
    assert aim.counts["nothing"] == 1
    aim.expect(True, "well")
    aim.expect(False, "bad")
    aim.expect(False, "bad")
    assert aim.problems == ["bad"]


HOLDER = """
import os, sys
print(flush=True)
input()
with open(sys.argv[1], "wb") as file:
    file.write(bytes(5_000_000))
    file.flush()
    os.unlink(sys.argv[1])
    print(flush=True)
    input()
"""


def test_a_reading_measures_log_disk_memory_open_files_and_unlinked_files(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(bytes(3_000))
    (tmp_path / "kept").write_bytes(bytes(2_000_000))
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "gone")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        app = App("", psutil.Process(process.pid), tmp_path / "log")
        process.stdout.readline()
        held = reading(app, tmp_path)
        process.stdin.write(b"\n")
        process.stdin.flush()
        process.stdout.readline()
        more = reading(app, tmp_path)
        process.communicate(b"\n")
    assert (held.log_kb, held.disk_mb) == (3, 2)
    assert more.unnamed_mb - held.unnamed_mb >= 5
    assert more.descriptors == held.descriptors + 1
    assert held.memory_mb > 5


async def test_the_routes_of_the_installed_gradio_are_listed_without_placeholders() -> None:
    assert {("POST", "/gradio_api/queue/join"), ("POST", "/gradio_api/upload"), ("GET", "/")} <= set(routes())
    assert not any("{" in path for _, path in routes())


def test_each_attack_is_planned_for_the_logins_and_addresses_it_applies_to() -> None:
    attack = KNOWN["d10-wrong-passwords"]
    assert [each[1:] for each in command.planned([attack], locked=True)] == [("locked", "other"), ("locked", "own")]
    assert list(command.planned([attack], locked=False)) == []
    attack = KNOWN["d4-fast-sound"]
    assert [each[1:] for each in command.planned([attack], locked=False)] == [
        ("unlocked", "other"),
        ("unlocked", "own"),
    ]
    kept_out, inside = ("locked", "other"), ("with password", "other")
    assert [each[1:] for each in command.planned([attack], locked=True)] == [kept_out, inside]


def test_every_attack_has_a_description_and_is_chosen_by_part_of_its_name() -> None:
    assert KNOWN is ATTACKS
    assert all(attack.meaning.endswith((".", "!")) for attack in ATTACKS.values())
    assert command.chosen_by(["rebinding"]) == [KNOWN["d21-rebinding"]]
    with pytest.raises(SystemExit, match="there is no attack dance"):
        command.chosen_by(["dance"])
