"""`python -m tests`, which is `make test`: the suite as four pytest runs. Options are pytest's, for all of them.

First what waits for sockets and processes, two tests for each core, in asyncio's debug mode. Then what happens in real
time (browsers and so on), a few tests at once, as they mostly wait.
Last, one at a time, people talking over a talking bot: whether an echo is one, how soon a browser falls silent, and
where the sound of a recording lies is a matter of milliseconds. Beside them, in the time that nobody else wants, what
only computes.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TESTS = Path(__file__).parent
CORES = os.cpu_count() or 2
COMPUTING = [TESTS / "core", TESTS / "test_pause_and_decide.py", TESTS / "test_style.py"]
REAL_TIME = [TESTS / "live", TESTS / "browser", TESTS / "transports"]
DELICATE = [
    TESTS / "live" / "test_turn_taking.py",
    TESTS / "live" / "test_matrix.py",
    TESTS / "live" / "test_take.py",
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


@contextmanager
def beside(command: list[str | Path]) -> Iterator[subprocess.Popen[bytes]]:
    """Runs it in the time that others leave; at the end waits for it, and prints what it had to say."""
    with tempfile.TemporaryFile() as told:
        other = subprocess.Popen(command, stdout=told, stderr=subprocess.STDOUT, preexec_fn=step_back)
        try:
            yield other
            other.wait()
        finally:
            other.kill()
            other.wait()
        told.seek(0)
        sys.stdout.buffer.write(told.read())
        sys.stdout.flush()


def main() -> int:
    known = {*COMPUTING, *REAL_TIME, TESTS / "conftest.py"}
    others = [path for path in sorted(TESTS.glob("[a-z]*")) if path not in known]
    left_out = [f"--ignore={path}" for path in DELICATE]
    spread = "--dist=worksteal"
    codes = [
        run(pytest(*others, f"--numprocesses={2 * CORES}", spread), PYTHONASYNCIODEBUG="1"),
        run(pytest(*REAL_TIME, *left_out, f"--numprocesses={CORES + 1}", spread)),
    ]
    with beside(pytest(*COMPUTING, f"--numprocesses={CORES}", spread, "-p", "no:cacheprovider")) as computing:
        codes.append(run(pytest(*DELICATE)))
    return int(any([*codes, computing.returncode]))


if __name__ == "__main__":
    sys.exit(main())
