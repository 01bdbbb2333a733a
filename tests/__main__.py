"""`python -m tests`, which is `make test`: the suite as four pytest runs. Options are pytest's, for all of them.

First what waits for sockets and processes, two tests for each core, in asyncio's debug mode. Then what happens in real
time (browsers and so on), a few tests at once, as they mostly wait; and beside it, in the time they leave, what only
computes.
Last, alone, people talking over a talking bot: whether an echo is one, and how soon a browser falls silent, is a matter
of milliseconds.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).parent
CORES = os.cpu_count() or 2
COMPUTING = [TESTS / "core", TESTS / "test_pause_and_decide.py", TESTS / "test_style.py"]
REAL_TIME = [TESTS / "live", TESTS / "browser", TESTS / "transports"]
DELICATE = [
    TESTS / "live" / "test_turn_taking.py",
    TESTS / "live" / "test_matrix.py",
    TESTS / "browser" / "test_interrupting.py",
]


def pytest(*arguments: str | Path) -> list[str | Path]:
    return [sys.executable, "-m", "pytest", *arguments, *sys.argv[1:]]


def step_back() -> None:
    """Take only the CPU that nobody else wants."""
    if hasattr(os, "SCHED_IDLE"):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    else:
        os.nice(19)


def run(command: list[str | Path], **environment: str) -> int:
    return subprocess.run(command, env=os.environ | environment, check=False).returncode


def run_both(command: list[str | Path], beside: list[str | Path]) -> list[int]:
    """Their exit codes. What the one `beside` prints comes last."""
    with tempfile.TemporaryFile() as told:
        other = subprocess.Popen(beside, stdout=told, stderr=subprocess.STDOUT, preexec_fn=step_back)
        try:
            codes = [run(command), other.wait()]
        finally:
            other.kill()
            other.wait()
        told.seek(0)
        sys.stdout.buffer.write(told.read())
        sys.stdout.flush()
    return codes


def main() -> int:
    known = {*COMPUTING, *REAL_TIME, TESTS / "conftest.py"}
    others = [path for path in sorted(TESTS.glob("[a-z]*")) if path not in known]
    left_out = [f"--ignore={path}" for path in DELICATE]
    every_core = ("--numprocesses=auto", "--dist=worksteal")
    codes = [
        run(pytest(*others, f"--numprocesses={2 * CORES}", "--dist=worksteal"), PYTHONASYNCIODEBUG="1"),
        *run_both(
            pytest(*REAL_TIME, *left_out, f"--numprocesses={CORES + 1}", "--dist=worksteal"),
            beside=pytest(*COMPUTING, *every_core, "-p", "no:cacheprovider"),
        ),
        run(pytest(*DELICATE)),
    ]
    return int(any(codes))


if __name__ == "__main__":
    sys.exit(main())
