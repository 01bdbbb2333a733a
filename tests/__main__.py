"""`python -m tests`, which is `make test`: the suite as four pytest runs. Options are pytest's, for all of them.

First what computes, or waits for sockets and processes: two tests for each core, in asyncio's debug mode. Then what
happens in real time (browsers and so on), fewer at once. Then people who talk over a talking bot; and last, alone, what
is marked so: whether an echo is one, how soon a browser falls silent, and where the sound of a recording lies is a
matter of milliseconds.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parent
CORES = os.cpu_count() or 2
REAL_TIME = [TESTS / "live", TESTS / "browser", TESTS / "transports"]
TALKING = [TESTS / "live" / "test_matrix.py", TESTS / "live" / "test_turn_taking.py"]


def pytest(*arguments: str | Path) -> list[str | Path]:
    return [sys.executable, "-m", "pytest", *arguments, *sys.argv[1:]]


def run(command: list[str | Path], **environment: str) -> int:
    return subprocess.run(command, env=os.environ | environment, check=False).returncode


def ignoring(paths: list[Path]) -> list[str]:
    return [f"--ignore={path}" for path in paths]


def main() -> int:
    spread = "--dist=worksteal"
    shared = ("-m", "not alone", spread)
    codes = [
        run(pytest(TESTS, *ignoring(REAL_TIME), spread, f"--numprocesses={2 * CORES}"), PYTHONASYNCIODEBUG="1"),
        run(pytest(*REAL_TIME, *ignoring(TALKING), *shared, f"--numprocesses={CORES + 1}")),
        run(pytest(*TALKING, *shared, f"--numprocesses={CORES}")),
        run(pytest(TESTS / "live", TESTS / "browser", "-m", "alone")),
    ]
    return int(any(codes))


if __name__ == "__main__":
    sys.exit(main())
