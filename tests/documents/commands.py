"""Says what is wrong with a command in a document, without running it."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import re
import runpy
import shlex
import sys
import tomllib
import warnings
from collections.abc import Iterator
from functools import cache
from unittest import mock
from urllib.parse import urlsplit

from tests.documents.pages import Block
from tests.support.paths import PROJECT
from voicebot.settings.config import SETTINGS

REASONS = {
    "needs Docker": "it builds or runs an image",
    "needs root": "it changes the system, such as a service or a package of the distribution",
    "needs the network": "it talks to a server that is neither PyPI nor on this machine",
    "needs a real key": "no simulator can stand in for the service",
    "needs another program": "it needs a program that the project does not install, such as Ollama",
    "needs another system": "macOS or Windows",
    "has a placeholder": "it contains a name that only the reader knows",
    "uploads to Hugging Face": "it changes an account",
    "runs in CI": "it takes minutes, and CI runs it",
    "runs by hand": "it takes minutes or hours",
}
"""Why the commands of a block are not run. A page says so in a comment before the block, such as
`<!-- not run: needs Docker -->`. More words may follow after a semicolon."""

LONG_TARGETS = {"test", "test-fast", "coverage", "bench", "attack", "audit", "lock", "wheels"}
"""Targets of make that take minutes, or that also depend on something else than the project, as all benchmarks do.
`make -n` is run instead."""

SIMULATED = {"DEEPGRAM_API_KEY", "GROQ_API_KEY", "OPENAI_API_KEY", "ELEVENLABS_API_KEY", "HF_TOKEN"}
"""Keys that a document may write as `NAME=…`: a simulator takes the place of the service."""

OTHER_VARIABLES = {
    "ARGS",
    "PYTHON",
    "REQUIRE_BROWSER",
    "REQUIRE_POSTGRES",
    "REQUIRE_PROXIES",
    "TMPDIR",
    "HANDOVER_WAIT_S",
    "HANDOVER_WEBHOOK",
    "HTTPS_PROXY",
    "NO_PROXY",
}
"""Variables that commands may set although they are no settings."""

PROGRAMS = {".", "source", "cat", "cd", "cp", "curl", "echo", "export", "flite", "git", "pip", "unzip"}
"""Programs that developers have, or that `.ci/run` installs."""

HERE = {"127.0.0.1", "localhost", "[::1]", "0.0.0.0"}
OUR_PATH = re.compile(r"(voicebot|tests|tools|deploy|docs|examples)/[\w./-]+")
STATEFUL = re.compile(r"(cd|export|source|\.) ")


def commands(code: str) -> list[tuple[int, str]]:
    """Returns the commands of a block, each with the offset of its line. A block with a here-document is one."""
    if "<<" in code:
        return [(0, code)]
    found: list[tuple[int, str]] = []
    lines = iter(enumerate(code.splitlines()))
    for offset, line in lines:
        while line.endswith("\\"):
            line = f"{line}\n{next(lines)[1]}"
        if line.strip() and not line.lstrip().startswith("#"):
            found.append((offset, line))
    return found


def long_target(command: str) -> str | None:
    """Returns the target of make that takes too long to be run, if the command has one."""
    found = re.search(r"\bmake ([a-z-]+)", command)
    return found[1] if found and (found[1] in LONG_TARGETS or found[1].startswith("bench-")) else None


def simulated_settings(printed: str, command: str) -> dict[str, str]:
    """Returns the settings of simulated services for the keys in a command, from what `tests.simulators` prints.

    A line of it that begins with # is a hint: its settings are only for its engine, or for its key.
    """
    services = {"HTTPS", "NO", *re.findall(r"([A-Z]+)_(?:API_KEY|TOKEN)=…", command)}
    settings: dict[str, str] = {}
    for line in printed.splitlines():
        given = dict(re.findall(r"(\w+)=(\S+)", line))
        engine = given.pop("LLM_ENGINE", None)
        asked = any(f"{name}=…" in command for name in given) or (engine is not None and engine in command)
        if services & {name.split("_")[0] for name in given} and (asked or not line.startswith("#")):
            settings |= given
    return settings


def problems_of(block: Block) -> list[str]:
    """Returns what is wrong with a block of commands."""
    if block.not_run and block.not_run.partition(";")[0] not in REASONS:
        return [f"`not run: {block.not_run}` is none of the reasons in tests/documents/commands.py"]
    return [problem for _, command in commands(block.code) for problem in problems(command, is_run=not block.not_run)]


def problems(command: str, *, is_run: bool = True) -> Iterator[str]:
    """Yields what is wrong with a command, which may consist of several. `is_run` says whether it must run here."""
    for words in _simple_commands(command):
        program_at = next((at for at, word in enumerate(words) if not re.match(r"\w+=", word)), len(words))
        for assignment in words[:program_at]:
            yield from _assignment(*assignment.split("=", 1), is_run=is_run)
        if is_run:
            hosts = {urlsplit(word).hostname for word in words if re.match(r"(https?|wss?)://", word)}
            yield from (f"{host} is in the network, but the block is not marked" for host in hosts if host not in HERE)
        yield from _program(words[program_at:], is_run=is_run)


def _simple_commands(command: str) -> Iterator[list[str]]:
    lexer = shlex.shlex(command.replace("\\\n", " "), posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    for word in [*lexer, "&&"]:
        if re.fullmatch(r"[&|;]+", word):
            yield words
            words = []
        else:
            words.append(word)


def _assignment(name: str, value: str, *, is_run: bool) -> Iterator[str]:
    if name.lower() not in SETTINGS and name not in OTHER_VARIABLES:
        yield f"{name} is not a setting"
    if "…" in value and name not in SIMULATED and is_run:
        yield f"{name}=… has no value that a simulator could give"


def _program(words: list[str], *, is_run: bool) -> Iterator[str]:
    match words:
        case ["make", *rest]:
            targets = {word for word in rest if re.fullmatch(r"[a-z-]+", word)}
            yield from (f"make has no target {target}" for target in targets - _targets())
        case [program, *rest] if re.fullmatch(r"(\.venv/bin/)?python3?", program):
            yield from _python(rest)
        case [program, *rest] if program.removeprefix(".venv/bin/") in _entry_points():
            module = _entry_points()[program.removeprefix(".venv/bin/")].partition(":")[0]
            yield from _options(rest, module)
        case [program, *_] if is_run and program not in PROGRAMS and not program.startswith(".venv/bin/"):
            yield f"{program} is not a program that the harness knows"
    for word in words[1:]:
        if OUR_PATH.fullmatch(word) and not (PROJECT / word).exists():
            yield f"{word} does not exist"


def _python(words: list[str]) -> Iterator[str]:
    match words:
        case ["-m", module, *rest]:
            try:
                found = importlib.util.find_spec(module)
            except ModuleNotFoundError:
                found = None
            if found is None:
                yield f"there is no module {module}"
            elif (PROJECT / module.partition(".")[0]).is_dir():
                yield from _options(rest, f"{module}.__main__" if found.submodule_search_locations else module)
        case [script, *rest] if script.endswith(".py"):
            if not (PROJECT / script).is_file():
                yield f"{script} does not exist"
            else:
                yield from _options(rest, script)


def _options(words: list[str], program: str) -> Iterator[str]:
    help_text = _help(program)
    for option in (word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)):
        if help_text and not re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", help_text):
            yield f"{program} has no option {option}"


@cache
def _help(program: str) -> str:
    """Returns what a module or script prints for --help; "" if it does not use argparse."""
    text = (PROJECT / (program if program.endswith(".py") else f"{program.replace('.', '/')}.py")).read_text("utf-8")
    if (imported := re.search(r"^from ([\w.]+) import main$", text, re.MULTILINE)) is not None:
        return _help(imported[1])
    if "argparse" not in text:
        return ""
    printed = io.StringIO()
    with (
        mock.patch.object(sys, "argv", [program, "--help"]),
        contextlib.redirect_stdout(printed),
        contextlib.suppress(SystemExit),
        warnings.catch_warnings(action="ignore"),
    ):
        if program.endswith(".py"):
            runpy.run_path(str(PROJECT / program), run_name="__main__")
        else:
            runpy.run_module(program, run_name="__main__")
    return printed.getvalue()


@cache
def _targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text("utf-8"), re.MULTILINE))


@cache
def _entry_points() -> dict[str, str]:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"]
    scripts: dict[str, str] = project.get("scripts", {})
    return scripts
