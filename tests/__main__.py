"""`python -m tests`, which is `make test`: the suite as four pytest runs. Options are pytest's, for all of them.

First what computes, or waits for sockets and processes, in asyncio's debug mode. Then what happens in real time
(browsers, attacks and so on). Then people who talk over a talking bot; and last, alone, what is marked so: whether an
echo is one, how soon a browser falls silent, and where the sound of a recording lies is a matter of milliseconds.

What fails, if it is no more than a few, is tried once more with nothing beside it, as the machine may have been busy
with something else: each such test is named, and fails the suite if it fails again.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
CORES = os.cpu_count() or 2
REAL_TIME = [TESTS / "live", TESTS / "browser", TESTS / "transports", TESTS / "attacks" / "test_attacks.py"]
TALKING = [TESTS / "live" / f"test_{name}.py" for name in ("matrix", "turn_taking", "fault_matrix")]
COMPILED = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(Path(sys.prefix) / "compiled")}
"""Python keeps what it has compiled in this folder, also on machines that are told not to keep it. Every app that a
test starts is then there 2 s sooner, and pytest finds the tests in 7 s rather than 11."""
REPEATED = 3
"""More failures than these have another reason than a busy machine."""


@dataclass(frozen=True, slots=True)
class Result:
    code: int
    failed: list[str]


def run(*arguments: str | Path, **environment: str) -> Result:
    with tempfile.TemporaryDirectory() as cache:
        command = [sys.executable, "-m", "pytest", *arguments, "-o", f"cache_dir={cache}", *sys.argv[1:]]
        code = subprocess.run(command, env=os.environ | COMPILED | environment, check=False).returncode
        kept = Path(cache) / "v" / "cache" / "lastfailed"
        return Result(code, list(json.loads(kept.read_text("utf-8"))) if kept.exists() else [])


def ignoring(paths: list[Path]) -> list[str]:
    return [f"--ignore={path}" for path in paths]


def all_parts() -> list[Result]:
    shared = ("-m", "not alone", "--dist=loadgroup")
    busy = f"--numprocesses={2 * CORES}"
    computing = run(TESTS, *ignoring(REAL_TIME), *shared, busy, PYTHONASYNCIODEBUG="1")
    real_time = run(*REAL_TIME, *ignoring(TALKING), *shared, busy)
    talking = run(*TALKING, *shared, f"--numprocesses={CORES + 1}")
    alone = run(TESTS / "live", TESTS / "browser", "-m", "alone")
    return [computing, real_time, talking, alone]


def main() -> int:
    parts = all_parts()
    codes = {part.code for part in parts}
    failed = [name for part in parts for name in part.failed]
    if codes <= {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED} and 0 < len(failed) <= REPEATED:
        sys.stdout.write("".join(f"{name} failed, and is tried once more alone\n" for name in failed))
        sys.stdout.flush()
        return run(*failed).code
    return int(any(codes))


if __name__ == "__main__":
    sys.exit(main())
