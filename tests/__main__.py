"""`python -m tests`, which is `make test`: the whole suite, one part after the other. Nothing is tried twice.

`--fast` runs the first two parts alone. `--coverage` runs what needs no real time and tells what that covers of the
package; otherwise only what is covered of the pure core is measured, which must be all of it but the program that draws
its diagram. Further options are pytest's, for all parts.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PACKAGE, CORE = "voicebot", "voicebot/core"
CORES = os.cpu_count() or 2
REAL_TIME = TESTS / "realtime"
TALKING = [REAL_TIME / f"test_{name}.py" for name in ("interruption_matrix", "turn_taking", "fault_matrix")]
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

    def run(self, options: Sequence[str], data: Path, measured: str | None) -> int:
        """Measures what is covered of that package. Returns pytest's exit code."""
        command = [sys.executable, "-m", "pytest", *map(str, self.paths), *self.options]
        command += ["-o", f"cache_dir={data.parent}"]
        if self.workers:
            command += [f"--numprocesses={self.workers}", "--dist=loadgroup"]
        if measured is not None:
            command += [f"--cov={measured}", "--cov-branch", "--cov-append", "--cov-report="]
        environment = os.environ | COMPILED | self.environment | {"COVERAGE_FILE": str(data)}
        return subprocess.run([*command, *options], env=environment, check=False).returncode


PARTS = [
    Part("core", [TESTS / "unit" / "core"], CORES),
    Part("unit", [TESTS / "unit"], CORES, [f"--ignore={TESTS / 'unit' / 'core'}"]),
    # Sockets, processes and models.
    Part("integration", [TESTS / "integration"], 2 * CORES, environment={"PYTHONASYNCIODEBUG": "1"}),
    # Browsers, conversations and attacks. With one worker more, some felt what the others computed.
    Part(
        "real time",
        [REAL_TIME],
        CORES + 1,
        ["-m", "not alone", *(f"--ignore={path}" for path in TALKING)],
    ),
    # People who talk over a talking bot.
    Part("talking", TALKING, CORES + 1, ["-m", "not alone"]),
    # How soon a browser falls silent, or whether an echo is one, is a matter of milliseconds.
    Part("alone", [REAL_TIME], options=["-m", "alone"]),
]


def main(arguments: Sequence[str]) -> int:
    fast, coverage = "--fast" in arguments, "--coverage" in arguments
    parts = PARTS[:2] if fast else PARTS[:3] if coverage else PARTS
    options = [option for option in arguments if option not in ("--fast", "--coverage")]
    good = {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED} if options else {pytest.ExitCode.OK}
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "coverage"
        results = []
        for part in parts:
            measured = PACKAGE if coverage else CORE if part is PARTS[0] and not options else None
            began_s = time.monotonic()
            code = part.run(options, data, measured)
            results.append((part.name, code in good, time.monotonic() - began_s))
        covered = _covered(data, all_of_it=coverage) or bool(options) if data.exists() else True
    for name, passed, seconds in results:
        sys.stdout.write(f"{name:12} {'passed' if passed else 'FAILED'} in {seconds:4.0f} s\n")
    return int(not covered or not all(passed for _, passed, _ in results))


def _covered(data: Path, *, all_of_it: bool) -> bool:
    """Tells which lines and branches are covered. Returns whether the pure core is covered whole."""
    report = [sys.executable, "-m", "coverage", "report", f"--data-file={data}"]
    sys.stdout.flush()
    if all_of_it:
        subprocess.run([*report, "--skip-covered"], check=False)
    core = [*report, f"--include={CORE}/*", f"--omit={CORE}/diagram.py", "--skip-covered", "--fail-under=100"]
    return subprocess.run(core, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
