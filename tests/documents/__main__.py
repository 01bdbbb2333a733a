"""Runs every command of the documents in a fresh clone of the last commit: `python -m tests.documents`.

A block of the language `sh` is run command by command, in the order of the pages. A command that starts the bot runs
until the bot answers at `/health`, with all engines whose keys are given. A command that talks to the bot at port 7860
gets one. Keys that are written as `NAME=…` are those of simulated services. A comment before a block says why it is not
run (`<!-- not run: needs Docker -->`), or after which output its last command is interrupted (`<!-- runs until: TEXT
-->`). The README's `make run` installs the packages, which takes minutes; `--packages` takes them from elsewhere.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.documents.commands import SIMULATED, STATEFUL, commands, long_target, problems, simulated_settings
from tests.documents.pages import Block, pages
from tests.support.paths import PROJECT
from voicebot.settings.config import SETTINGS

PORT = 7860
ADDRESS = re.compile(r"http://(?:127\.0\.0\.1|localhost):(\d+)")
POLL_S, STOP_S = 0.3, 20.0
NOTHING: Mapping[str, str] = {}
ENGINES = {key: "huggingface" if key == "HF_TOKEN" else key.partition("_")[0].lower() for key in SIMULATED}
"""The engine that must be ready if a key is given. Names of engines begin with it."""


class CommandFailedError(Exception):
    """A command did not do what its document promises. The text says what happened instead."""


class Clone:
    """A clone of the last commit, with an environment that knows no settings and no keys."""

    def __init__(self, folder: Path, timeout_s: float) -> None:
        self.project = folder / "voice-bot"
        subprocess.run(["git", "clone", "--quiet", str(PROJECT), str(self.project)], check=True)
        home = folder / "home"
        home.mkdir()
        (home / ".curlrc").write_text("fail\n")  # or curl succeeds whatever the answer is
        mine = {"VIRTUAL_ENV", "PYTHONPYCACHEPREFIX", "PYTHONDONTWRITEBYTECODE", *(name.upper() for name in SETTINGS)}
        self.environment = {name: value for name, value in os.environ.items() if name not in mine}
        pip_settings = Path.home() / ".config/pip/pip.conf"
        if pip_settings.exists():
            self.environment.setdefault("PIP_CONFIG_FILE", str(pip_settings))
        self.environment |= {"HOME": str(home), "PYTHONUNBUFFERED": "1"}
        self._log = folder / "output.txt"
        self._numbers = itertools.count()
        self._timeout_s = timeout_s

    def use_packages(self, folder: Path) -> None:
        """Makes an environment that finds the packages in `folder`, so that little has to be installed."""
        subprocess.run(["python3", "-m", "venv", ".venv"], cwd=self.project, env=self.environment, check=True)
        (found,) = (self.project / ".venv").glob("lib/python*/site-packages")
        (found / "elsewhere.pth").write_text(f"{folder.resolve()}\n")
        for program in folder.resolve().parents[2].glob("bin/*"):
            if not (link := self.project / ".venv/bin" / program.name).exists():
                link.symlink_to(program)

    def run(self, script: str, *, until: str = "", environment: Mapping[str, str] = NOTHING) -> None:
        """Runs a script until it ends, has started the bot, or has printed `until`. Raises CommandFailedError."""
        with self._running(script, environment) as process:
            deadline_s = time.monotonic() + self._timeout_s
            while process.poll() is None:
                output = self.output()
                if (until and until in output) or (not until and _bot_is_ready(output, environment)):
                    _stop(process)
                    if "Traceback" in self.output():
                        raise CommandFailedError("it ended with a traceback")
                    return
                if time.monotonic() > deadline_s:
                    raise CommandFailedError(f"it did not end within {self._timeout_s:g} s")
                time.sleep(POLL_S)
            if process.returncode != 0:
                raise CommandFailedError(f"it ended with {process.returncode}")
            if until:
                raise CommandFailedError(f"it never printed {until!r}")

    @contextmanager
    def background(self, script: str, until: str) -> Iterator[str]:
        """Runs a script meanwhile, and yields what it has printed once that contains `until`."""
        log = self._log.with_name(f"background-{next(self._numbers)}.txt")
        with self._running(script, {}, log) as process:
            while until not in (output := log.read_text("utf-8", "replace")):
                if process.poll() is not None:
                    raise CommandFailedError(f"`{script}` ended: {output[-500:]}")
                time.sleep(POLL_S)
            yield output

    def forget_output(self) -> None:
        self._log.write_bytes(b"")

    def output(self) -> str:
        return self._log.read_text("utf-8", "replace")

    @contextmanager
    def _running(
        self, script: str, environment: Mapping[str, str], log: Path | None = None
    ) -> Iterator[subprocess.Popen[bytes]]:
        with (log or self._log).open("wb") as file:
            process = subprocess.Popen(
                ["bash", "-ec", script],
                cwd=self.project,
                env={**self.environment, **environment},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                yield process
            finally:
                with contextlib.suppress(CommandFailedError):
                    _stop(process)
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Interrupts a command as Ctrl-C does."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGINT)
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        raise CommandFailedError(f"it did not end within {STOP_S:g} s after Ctrl-C") from None


def _bot_is_ready(output: str, keys: Iterable[str]) -> bool:
    """Returns whether the bot answers at a printed address and has tried its engines.

    Raises CommandFailedError if an engine does not work, or if the engine of one of the keys is missing.
    """
    for port in ADDRESS.findall(output):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as response:
                health = json.load(response)
        except (OSError, ValueError):
            continue
        if "stages" in health:
            return all_work([engine for stage in health["stages"].values() for engine in stage], keys)
    return False


def all_work(engines: list[dict[str, Any]], keys: Iterable[str]) -> bool:
    """Returns whether all engines that `/health` shows are ready. Raises CommandFailedError as `_bot_is_ready` does."""
    broken = [f"{engine['name']}: {engine['reason']}" for engine in engines if engine["ready"] is False]
    names = " ".join(engine["name"] for engine in engines)
    broken += [f"{key} is not used" for key in keys if key in ENGINES and ENGINES[key] not in names]
    if broken:
        raise CommandFailedError("; ".join(broken))
    return all(engine["ready"] for engine in engines)


class Documents:
    """Runs the blocks of pages in a clone. Simulated services and a bot are started when a command needs them."""

    def __init__(self, clone: Clone, running: ExitStack) -> None:
        self._clone = clone
        self._running = running
        self._simulated: str | None = None
        self._has_bot = False
        self.failed = 0

    def run(self, block: Block) -> None:
        """Runs the commands of a block, and prints a line for each."""
        state: list[str] = []
        found = commands(block.code)
        for offset, command in found:
            place = f"{block.page.relative_to(self._clone.project)}:{block.line + offset}"
            shown = " ".join(command.split(" #")[0].split())
            began_s = time.monotonic()
            self._clone.forget_output()
            try:
                last = offset == found[-1][0]
                result = self._run(block, state, command, block.runs_until if last else "")
            except CommandFailedError as failure:
                self.failed += 1
                result = f"FAILED: {failure}"
                sys.stdout.write("".join(f"    {line}\n" for line in self._clone.output().splitlines()[-20:]))
            sys.stdout.write(f"{place:28} {time.monotonic() - began_s:6.1f} s  {result:32} {shown}\n")
            sys.stdout.flush()
            if STATEFUL.match(command):
                state.append(command)

    def _run(self, block: Block, state: list[str], command: str, until: str) -> str:
        if (target := long_target(command)) is not None:
            self._clone.run(f"make -n {target}")
            return "ok with make -n"
        if block.not_run:
            return f"not run: {block.not_run.partition(';')[0]}"
        for problem in problems(command):
            raise CommandFailedError(problem)
        if ".venv/" in command and not (self._clone.project / ".venv").exists() and "-m venv" not in command:
            self._clone.run("make run")
        if f":{PORT}" in command and not self._has_bot:
            self._start_bot()
        environment = self._services(command) if "=…" in command else {}
        command = re.sub(r"(\w+)=…", lambda key: f"{key[1]}={environment[key[1]]}", command)
        self._clone.run("\n".join([*state, command]), until=until, environment=environment)
        return "ok"

    def _start_bot(self) -> None:
        with socket.socket() as trial:
            if trial.connect_ex(("127.0.0.1", PORT)) == 0:
                raise CommandFailedError(f"another program uses port {PORT}, which the command names")
        self._running.enter_context(self._clone.background(f"make run ARGS='--port {PORT}'", f"127.0.0.1:{PORT}"))
        self._has_bot = True

    def _services(self, command: str) -> dict[str, str]:
        """Returns the settings of simulated services for the keys in a command."""
        if self._simulated is None:
            simulators = self._clone.background(f"{sys.executable} -m tests.simulators", "# gTTS")
            self._simulated = self._running.enter_context(simulators)
        return simulated_settings(self._simulated, command)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.documents", description=__doc__)
    parser.add_argument("--only", nargs="+", metavar="PAGE", help="only these pages, for example docs/space.md")
    parser.add_argument(
        "--packages", type=Path, metavar="FOLDER", help="installed packages to use, .../lib/python3.11/site-packages"
    )
    parser.add_argument("--timeout", type=float, default=900, metavar="S", help="the longest time of a command")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what runs is ended, as after Ctrl-C
    with tempfile.TemporaryDirectory() as folder, ExitStack() as running:
        clone = Clone(Path(folder), options.timeout)
        if options.packages is not None:
            clone.use_packages(options.packages)
        documents = Documents(clone, running)
        for page in pages(clone.project):
            if not options.only or str(page.path.relative_to(clone.project)) in options.only:
                for block in page.blocks:
                    if block.language == "sh":
                        documents.run(block)
    return int(documents.failed > 0)


if __name__ == "__main__":
    sys.exit(main())
