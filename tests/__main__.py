"""`python -m tests`, which is `make test`: the suite as five pytest runs. Options are pytest's, for all of them.

First what waits for sockets and processes, two tests for each core, in asyncio's debug mode. Then what happens in real
time (browsers and so on), a few tests at once, as they mostly wait. Then what only computes, on all cores.
Then people who talk over a talking bot; and last, alone, what is marked so: whether an echo is one, how soon a browser
falls silent, and where the sound of a recording lies is a matter of milliseconds.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parent
CORES = os.cpu_count() or 2
COMPUTING = [TESTS / "core", TESTS / "test_pause_and_decide.py", TESTS / "test_style.py"]
REAL_TIME = [TESTS / "live", TESTS / "browser", TESTS / "transports"]
TALKING = [TESTS / "live" / "test_matrix.py", TESTS / "live" / "test_turn_taking.py"]


def pytest(*arguments: str | Path) -> list[str | Path]:
    return [sys.executable, "-m", "pytest", *arguments, *sys.argv[1:]]


def run(command: list[str | Path], **environment: str) -> int:
    return subprocess.run(command, env=os.environ | environment, check=False).returncode


def main() -> int:
    known = {*COMPUTING, *REAL_TIME, TESTS / "conftest.py"}
    others = [path for path in sorted(TESTS.glob("[a-z]*")) if path not in known]
    left_out = [f"--ignore={path}" for path in TALKING]
    spread = "--dist=worksteal"
    codes = [
        run(pytest(*others, f"--numprocesses={2 * CORES}", spread), PYTHONASYNCIODEBUG="1"),
        run(pytest(*REAL_TIME, *left_out, "-m", "not alone", f"--numprocesses={CORES + 1}", spread)),
        run(pytest(*COMPUTING, f"--numprocesses={CORES}", spread)),
        run(pytest(*TALKING, "-m", "not alone", f"--numprocesses={CORES}", spread)),
        run(pytest(TESTS / "live", TESTS / "browser", "-m", "alone")),
    ]
    return int(any(codes))


if __name__ == "__main__":
    sys.exit(main())
