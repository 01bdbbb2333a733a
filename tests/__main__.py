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
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
CORES = os.cpu_count() or 2
REAL_TIME = [TESTS / "live", TESTS / "browser", TESTS / "transports", TESTS / "attacks" / "test_attacks.py"]
TALKING = [TESTS / "live" / f"test_{name}.py" for name in ("matrix", "turn_taking", "fault_matrix")]
COMPILED = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(Path(sys.prefix) / "compiled")}
"""What one process has compiled serves all others, even where the machine does not keep it: an app that is started
takes 2 s less, and the tests are found in 7 s rather than 11."""
REPEATED = 3
"""More failures than these in one run have another reason than a busy machine."""


def run(*arguments: str | Path, **environment: str) -> int:
    """Its exit code, when what failed has been given its second try."""
    with tempfile.TemporaryDirectory() as folder:
        cache = ("-o", f"cache_dir={folder}", *sys.argv[1:])

        def code_of(*selected: str | Path) -> int:
            command = [sys.executable, "-m", "pytest", *selected, *cache]
            return subprocess.run(command, env=os.environ | COMPILED | environment, check=False).returncode

        code = code_of(*arguments)
        kept = Path(folder) / "v" / "cache" / "lastfailed"
        failed = list(json.loads(kept.read_text("utf-8"))) if kept.exists() else []
        if code == pytest.ExitCode.TESTS_FAILED and 0 < len(failed) <= REPEATED:
            sys.stdout.write("".join(f"{name} failed, and is tried once more alone\n" for name in failed))
            sys.stdout.flush()
            code = code_of(*failed)
        return code


def ignoring(paths: list[Path]) -> list[str]:
    return [f"--ignore={path}" for path in paths]


def main() -> int:
    shared = ("-m", "not alone", "--dist=loadgroup")
    codes = [
        run(TESTS, *ignoring(REAL_TIME), *shared, f"--numprocesses={2 * CORES}", PYTHONASYNCIODEBUG="1"),
        run(*REAL_TIME, *ignoring(TALKING), *shared, f"--numprocesses={2 * CORES}"),
        run(*TALKING, *shared, f"--numprocesses={CORES + 1}"),
        run(TESTS / "live", TESTS / "browser", "-m", "alone"),
    ]
    return int(any(codes))


if __name__ == "__main__":
    sys.exit(main())
