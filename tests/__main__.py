"""`python -m tests`, which is `make test`: the suite as four pytest runs. Options are pytest's, for all of them.

What happens in real time (browsers, attacks and so on) mostly waits. Beside it, on what it leaves of the processors,
runs all that computes, or waits for sockets and processes, in asyncio's debug mode. Then come people who talk over a
talking bot; and last, alone, what is marked so: whether an echo is one, how soon a browser falls silent, and where the
sound of a recording lies is a matter of milliseconds.

What fails, if it is no more than a few, is tried once more with nothing beside it, as the machine may have been busy
with something else: each such test is named, and fails the suite if it fails again.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest

TESTS = Path(__file__).parent
CORES = os.cpu_count() or 2
REAL_TIME = [TESTS / "live", TESTS / "browser", TESTS / "transports", TESTS / "attacks" / "test_attacks.py"]
TALKING = [TESTS / "live" / f"test_{name}.py" for name in ("matrix", "turn_taking", "fault_matrix")]
COMPILED = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(Path(sys.prefix) / "compiled")}
"""What one process has compiled serves all others, even where the machine does not keep it: an app that is started
takes 2 s less, and the tests are found in 7 s rather than 11."""
BESIDE = 10
"""How nice what computes is to what happens in real time."""
REPEATED = 3
"""More failures than these have another reason than a busy machine."""


@dataclass(frozen=True, slots=True)
class Result:
    code: int
    failed: list[str]


def run(*arguments: str | Path, niceness: int = 0, output: IO[str] | None = None, **environment: str) -> Result:
    with tempfile.TemporaryDirectory() as cache:
        command = ["nice", "-n", str(niceness), sys.executable, "-m", "pytest", *arguments, "-o", f"cache_dir={cache}"]
        code = subprocess.run(
            [*command, *sys.argv[1:]], env=os.environ | COMPILED | environment, stdout=output, check=False
        ).returncode
        kept = Path(cache) / "v" / "cache" / "lastfailed"
        return Result(code, list(json.loads(kept.read_text("utf-8"))) if kept.exists() else [])


def ignoring(paths: list[Path]) -> list[str]:
    return [f"--ignore={path}" for path in paths]


def all_parts() -> list[Result]:
    shared = ("-m", "not alone", "--dist=loadgroup")
    with tempfile.TemporaryFile("w+") as told, ThreadPoolExecutor(1) as threads:
        rest = (TESTS, *ignoring(REAL_TIME), *shared, f"--numprocesses={CORES}")
        computing = threads.submit(lambda: run(*rest, niceness=BESIDE, output=told, PYTHONASYNCIODEBUG="1"))
        real_time = run(*REAL_TIME, *ignoring(TALKING), *shared, f"--numprocesses={CORES + 1}")
        computed = computing.result()
        told.seek(0)
        sys.stdout.write(told.read())
        sys.stdout.flush()
    talking = run(*TALKING, *shared, f"--numprocesses={CORES + 1}")
    alone = run(TESTS / "live", TESTS / "browser", "-m", "alone")
    return [real_time, computed, talking, alone]


def main() -> int:
    parts = all_parts()
    failed = [name for part in parts for name in part.failed]
    if 0 < len(failed) <= REPEATED and {part.code for part in parts} <= {
        pytest.ExitCode.OK,
        pytest.ExitCode.TESTS_FAILED,
    }:
        sys.stdout.write("".join(f"{name} failed, and is tried once more alone\n" for name in failed))
        sys.stdout.flush()
        return run(*failed).code
    return int(any(part.code for part in parts))


if __name__ == "__main__":
    sys.exit(main())
