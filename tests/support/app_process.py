"""Starts `python app.py` in a process of its own, as a user does, or from a process that has loaded the modules."""

from __future__ import annotations

import atexit
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.support.paths import PROJECT
from voicebot.settings.config import SETTINGS

ARGUMENTS = ("--port", "0")
END_S = 15.0


@dataclass(frozen=True, slots=True)
class App:
    url: str
    process: psutil.Process
    log: Path

    def health(self) -> Any:
        return httpx.get(f"{self.url}/health", trust_env=False).json()


def environment(**settings: object) -> dict[str, str]:
    """Returns this process's environment without this machine's settings, keys and models, but with `settings`."""
    names = {name.upper() for name in SETTINGS}
    inherited = {name: value for name, value in os.environ.items() if name not in names}
    # Keeps the app from finding an Ollama at its usual port. A llama.cpp server at port 8080 is still found.
    nowhere = {"OLLAMA_HOST": "127.0.0.1:9"}
    return inherited | nowhere | {name.upper(): str(value) for name, value in settings.items()}


@contextmanager
def running_app(folder: Path, open_files: int | None = None, /, **settings: object) -> Iterator[App]:
    """Runs the app on a free port, in `folder` (so that it reads no .env), until the block ends.

    The process may open at most `open_files` files, as under `ulimit -n`. Raises ChildProcessError if it does not
    start.
    """
    command = [sys.executable, str(PROJECT / "app.py"), *ARGUMENTS]
    if open_files is not None:
        command = ["sh", "-c", f'ulimit -n {open_files}; exec "$0" "$@"', *command]
    with running(command, folder, environment(**settings)) as app:
        yield app


@contextmanager
def running(command: Sequence[str], folder: Path, variables: Mapping[str, str]) -> Iterator[App]:
    """Runs a command that starts the app, until the block ends. Raises ChildProcessError if the app does not start."""
    log = folder / "app.log"
    with log.open("w") as output:
        started = subprocess.Popen(command, cwd=folder, env=variables, stdout=output, stderr=output)
    try:
        yield App(announced_address(lambda: started.poll() is None, log), psutil.Process(started.pid), log)
    finally:
        started.terminate()
        try:
            started.wait(END_S)
        finally:
            started.kill()


@contextmanager
def forked_app(folder: Path, open_files: int | None = None, /, **settings: object) -> Iterator[App]:
    """Runs the app like `running_app`, but forks a process that has loaded all modules, which saves 6 s each time.

    Unless the settings say otherwise the voice is espeak, which takes a second less of computing to start than hibari.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["voicebot.__main__", "voicebot.agent.agent", "voicebot.web.server"])
    log = folder / "app.log"
    log.touch()
    given = environment(**{"tts_engine": "espeak", **settings})
    started = context.Process(target=_run, args=(folder, given, log, open_files))
    started.start()
    assert started.pid is not None
    try:
        yield App(announced_address(started.is_alive, log), psutil.Process(started.pid), log)
    finally:
        started.terminate()
        started.join(END_S)
        ended = not started.is_alive()
        started.kill()
        started.join()
        assert ended, f"the app did not end:\n{log.read_text('utf-8')}"


def _run(folder: Path, environment: dict[str, str], log: Path, open_files: int | None) -> None:
    """Does in the new process what the operating system does for `running_app`."""
    from voicebot.__main__ import main

    threading.Thread(target=_end_with_parent, daemon=True).start()
    if open_files is not None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (open_files, open_files))
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    output = os.open(log, os.O_WRONLY | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    sys.argv = ["voicebot", *ARGUMENTS]
    code = main()
    atexit._run_exitfuncs()  # noqa: SLF001 (there is no other way, and multiprocessing does not run them)
    sys.exit(code)


def _end_with_parent() -> None:
    """Ends this process when the test process that started it has died."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


def announced_address(runs: Callable[[], bool], log: Path, timeout_s: float = 60) -> str:
    """Returns the address that the app logs, once it answers there. Raises ChildProcessError if it does not."""
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s and runs():
        for line in log.read_text("utf-8").splitlines():
            if " open http" in line:
                url = line.split(" open ")[1].split()[0]
                if _answers(url):
                    return url
        time.sleep(0.05)
    raise ChildProcessError(f"the app did not start:\n{log.read_text('utf-8')}")


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", trust_env=False, timeout=2).status_code == 200
    except httpx.TransportError:
        return False
