"""`python -m tests`, which is `make test`: the whole suite, one part after the other; `--fast` runs the first alone.

Nothing is tried twice. Further options are pytest's, for all parts.

What is covered of the package is measured in the parts that run no other processes, and told in the end.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
CORES = os.cpu_count() or 2
REAL_TIME = TESTS / "realtime"
TALKING = [REAL_TIME / f"test_{name}.py" for name in ("matrix", "turn_taking", "fault_matrix")]
COMPILED = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(Path(sys.prefix) / "compiled")}
"""Python keeps what it has compiled in this folder, also on machines that are told not to keep it. Every app that a
test starts is then there 2 s sooner, and pytest finds the tests in 7 s rather than 11."""


@dataclass(frozen=True, slots=True)
class Part:
    """A run of pytest; no `workers`: in one process."""

    name: str
    paths: Sequence[Path]
    workers: int = 0
    options: Sequence[str] = ()
    environment: dict[str, str] = field(default_factory=dict)
    measured: bool = False

    def run(self, options: Sequence[str], data: Path) -> int:
        command = [sys.executable, "-m", "pytest", *map(str, self.paths), *self.options]
        command += ["-o", f"cache_dir={data.parent}"]
        if self.workers:
            command += [f"--numprocesses={self.workers}", "--dist=loadgroup"]
        if self.measured:
            command += ["--cov", "--cov-append", "--cov-report="]
        environment = os.environ | COMPILED | self.environment | {"COVERAGE_FILE": str(data)}
        return subprocess.run([*command, *options], env=environment, check=False).returncode


FAST = Part("unit", [TESTS / "unit"], CORES, measured=True)
PARTS = [
    FAST,
    # Sockets, processes and models.
    Part("integration", [TESTS / "integration"], 2 * CORES, environment={"PYTHONASYNCIODEBUG": "1"}, measured=True),
    # Browsers, conversations and attacks, mostly waiting for time to pass.
    Part(
        "real time",
        [REAL_TIME],
        2 * CORES,
        ["-m", "not alone", *(f"--ignore={path}" for path in TALKING)],
    ),
    # People who talk over a talking bot.
    Part("talking", TALKING, CORES + 1, ["-m", "not alone"]),
    # How soon a browser falls silent, or whether an echo is one, is a matter of milliseconds.
    Part("alone", [REAL_TIME], options=["-m", "alone"]),
]


def main(arguments: Sequence[str]) -> int:
    fast = "--fast" in arguments
    options = [option for option in arguments if option != "--fast"]
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "coverage"
        results = list(_results([FAST] if fast else PARTS, options, data))
        covered = _coverage(data) if not options else 0
    good = {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED} if options else {pytest.ExitCode.OK}
    for part, code, seconds in results:
        verdict = "passed" if code in good else "FAILED"
        sys.stdout.write(f"{part.name:12} {verdict} in {seconds:4.0f} s\n")
    return int(any(code not in good for _, code, _ in results) or covered)


def _results(parts: Sequence[Part], options: Sequence[str], data: Path) -> Iterator[tuple[Part, int, float]]:
    for part in parts:
        began_s = time.monotonic()
        code = part.run(options, data)
        yield part, code, time.monotonic() - began_s


def _coverage(data: Path) -> int:
    """Tells what was covered; returns what is not 0 unless the pure core was covered whole."""
    report = [sys.executable, "-m", "coverage", "report", f"--data-file={data}"]
    sys.stdout.flush()
    subprocess.run([*report, "--skip-covered"], check=False)
    return subprocess.run([*report, "--include=voicebot/core/*", "--fail-under=100"], check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
