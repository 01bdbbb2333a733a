"""Runs the whole test suite in parts: `python -m tests`, which is also `make test`. No test is tried twice.

Node tests the modules of the page first, which takes a second. The tests that only compute run in the background, on
the processor time that the other parts leave. The other parts run one after the other, and those in which milliseconds
decide run last, when nothing else does. `--fast` runs only the unit tests. `--coverage` runs the tests that need no
real time and reports the coverage of the whole package. Without it, only the coverage of the pure core is measured, and
that must be complete. All other options go to pytest, for every part.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PACKAGE, CORE = "voicebot", ("voicebot/dialogue", "voicebot/speech_text")
CORES = os.cpu_count() or 2
REAL_TIME = TESTS / "realtime"
ALONE = [path for path in sorted(REAL_TIME.rglob("test_*.py")) if "pytest.mark.alone" in path.read_text("utf-8")]
COMPILED_FOLDER = Path(sys.prefix) / "compiled"
COMPILED = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(COMPILED_FOLDER)}
"""Makes Python keep compiled modules in this folder, even where the environment tells it not to. Every app that a test
starts is then ready 2 s sooner, and pytest collects the tests in 7 s instead of 11."""


@dataclass(frozen=True, slots=True)
class Part:
    """A run of pytest over some of the tests."""

    name: str
    paths: Sequence[Path]
    workers: int
    options: Sequence[str] = ()
    environment: dict[str, str] = field(default_factory=dict)
    measured: Sequence[str] = ()
    """The packages whose coverage is always measured."""


MODELS = TESTS / "integration" / "models"

CORE_TESTS = Part("core", [TESTS / "unit" / "dialogue"], CORES, measured=CORE)
UNIT_TESTS = Part("unit", [TESTS / "unit"], CORES, [f"--ignore={TESTS / 'unit' / 'dialogue'}"])
# Speech recognition and synthesis. These tests wait only for the processor.
MODEL_TESTS = Part("models", [MODELS], CORES)
# Tests with sockets and processes.
INTEGRATION_TESTS = Part(
    "integration", [TESTS / "integration"], 2 * CORES, [f"--ignore={MODELS}"], {"PYTHONASYNCIODEBUG": "1"}
)
# Browsers, conversations and attacks. With one more worker, some tests were slowed down by the others.
REAL_TIME_TESTS = Part("real time", [REAL_TIME], CORES + 1, ["-m", "not alone"])
# Tests in which milliseconds decide, such as how soon a browser falls silent. Each has a core to itself.
LONE_TESTS = Part("alone", ALONE, CORES, ["-m", "alone"])


class Suite:
    """Runs parts and remembers how they ended."""

    def __init__(self, options: Sequence[str], folder: Path, measured: Sequence[str]) -> None:
        """Gives every part pytest's `options` and measures the coverage of the packages `measured` in all of them."""
        self._options = options
        self._folder = folder
        self._measured = measured
        self.passed = True
        self.times: list[str] = []
        self.coverage = folder / "coverage"

    def compile_modules(self) -> None:
        """Compiles what the tests import, unless an earlier run did, so that not all workers do it at the same time."""
        if not COMPILED_FOLDER.exists():
            collect = ["--collect-only", "-qq", "-p", "no:cacheprovider", str(TESTS / "integration"), str(REAL_TIME)]
            command = [sys.executable, "-m", "pytest", *collect]
            subprocess.run(command, env=os.environ | COMPILED, stdout=subprocess.DEVNULL, check=False)

    def run_node(self) -> None:
        """Runs the tests of the page's modules, unless options for pytest are given."""
        if not self._options:
            began_s = time.monotonic()
            ended = subprocess.run([sys.executable, "-m", "tests.page", "test"], check=False)
            self._note("page", passed=ended.returncode == 0, began_s=began_s)

    def _note(self, name: str, *, passed: bool, began_s: float) -> None:
        self.passed &= passed
        self.times.append(f"{name:12} {'passed' if passed else 'FAILED'} in {time.monotonic() - began_s:4.0f} s")

    def run(self, *parts: Part, background: int | None = None) -> None:
        """Runs the parts one after the other. Parts in the background print to the open file `background`."""
        for part in parts:
            self._run(part, background)

    @contextmanager
    def background(self, *parts: Part) -> Iterator[None]:
        """Runs the parts in the background while the block runs, then shows their output.

        Ends when both the block and the parts have ended.
        """
        with tempfile.TemporaryFile("w+", dir=self._folder) as printed, ThreadPoolExecutor(1) as thread:
            running = thread.submit(self.run, *parts, background=printed.fileno())
            try:
                yield
            finally:
                running.result()
                printed.seek(0)
                sys.stdout.write(printed.read())

    def _run(self, part: Part, background: int | None) -> None:
        command = [sys.executable, "-m", "pytest", *map(str, part.paths), *part.options]
        command += ["-o", f"cache_dir={self._folder / part.name}"]
        command += [f"--numprocesses={part.workers}", "--dist=loadgroup"]
        measured = self._measured or (() if self._options else part.measured)
        if measured:
            command += [*(f"--cov={each}" for each in measured), "--cov-branch", "--cov-append", "--cov-report="]
        if background is not None:
            command += ["--timeout=1200"]  # ten times the usual limit, because the processor is shared
        began_s = time.monotonic()
        ended = subprocess.run(
            [*command, *self._options],
            env=os.environ | COMPILED | part.environment | {"COVERAGE_FILE": str(self.coverage)},
            stdout=background,
            preexec_fn=None if background is None else _give_way,
            check=False,
        )
        good = {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED} if self._options else {pytest.ExitCode.OK}
        self._note(part.name, passed=ended.returncode in good, began_s=began_s)


def _give_way() -> None:
    """Gives this process, and all that it starts, only the processor time that no other process wants."""
    if sys.platform == "linux":
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    else:
        os.nice(19)


def main(arguments: Sequence[str]) -> int:
    fast, coverage = "--fast" in arguments, "--coverage" in arguments
    options = [option for option in arguments if option not in ("--fast", "--coverage")]
    with tempfile.TemporaryDirectory() as folder:
        suite = Suite(options, Path(folder), (PACKAGE,) if coverage else ())
        suite.run_node()
        if fast:
            suite.run(CORE_TESTS, UNIT_TESTS)
        elif coverage:
            suite.run(CORE_TESTS, UNIT_TESTS, MODEL_TESTS, INTEGRATION_TESTS)
        else:
            suite.compile_modules()
            with suite.background(CORE_TESTS, UNIT_TESTS, MODEL_TESTS):
                suite.run(INTEGRATION_TESTS, REAL_TIME_TESTS)
            suite.run(LONE_TESTS)
        covered = not suite.coverage.exists() or _covered(suite.coverage, all_of_it=coverage) or bool(options)
    sys.stdout.write("\n".join([*suite.times, ""]))
    return int(not covered or not suite.passed)


def _covered(data: Path, *, all_of_it: bool) -> bool:
    """Prints the lines and branches that are not covered. Returns whether the pure core is covered completely."""
    report = [sys.executable, "-m", "coverage", "report", f"--data-file={data}"]
    sys.stdout.flush()
    if all_of_it:
        subprocess.run([*report, "--skip-covered"], check=False)
    core = [*report, f"--include={','.join(f'{each}/*' for each in CORE)}", "--skip-covered", "--fail-under=100"]
    return subprocess.run(core, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
