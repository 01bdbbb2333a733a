"""The loader of an operator's code: what it finds, and how it names what is wrong."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from voicebot.agent.loading import LoadingError, load_module, load_object


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory. What is imported from it is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    known = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - known:
        del sys.modules[name]


def write(file: Path, code: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(code, encoding="utf-8")


def problem(reference: str) -> str:
    with pytest.raises(LoadingError) as caught:
        load_object(reference, "AGENT")
    return str(caught.value)


def test_an_object_is_found_in_a_module_of_the_working_directory(folder: Path) -> None:
    write(folder / "mine" / "__init__.py", "")
    write(folder / "mine" / "graph.py", "agent = 'a graph'")
    assert load_object("mine.graph:agent", "AGENT") == "a graph"
    assert load_object(" mine.graph:agent ", "AGENT") == "a graph"


def test_an_object_is_found_in_a_file_which_imports_its_neighbour(folder: Path) -> None:
    write(folder / "bot" / "neighbour.py", "name = 'next door'")
    write(folder / "bot" / "mine.py", "from neighbour import name")
    assert load_object("bot/mine.py:name", "AGENT") == "next door"
    assert load_object(f"{folder / 'bot' / 'mine.py'}:name", "AGENT") == "next door"


def test_a_file_in_the_home_directory_is_found(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder))
    write(folder / "mine.py", "name = 'at home'")
    assert load_object("~/mine.py:name", "AGENT") == "at home"


def test_a_file_is_imported_once_and_hides_no_module_of_its_name(folder: Path) -> None:
    import json

    write(folder / "json.py", "things = []")
    module = load_module("json.py", "TOOLS")
    assert load_module(str(folder / "json.py"), "AGENT") is module
    assert load_module("json", "AGENT") is json
    assert sys.modules["json"] is json


def test_a_file_that_failed_is_read_anew_the_next_time(folder: Path) -> None:
    write(folder / "mine.py", "1 / 0")
    assert "ZeroDivisionError" in problem("mine.py:agent")
    write(folder / "mine.py", "agent = 'repaired at last'")
    assert load_object("mine.py:agent", "AGENT") == "repaired at last"


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("graph", "AGENT: 'graph' must be package.module:name or path/file.py:name"),
        ("graph.py", "AGENT: 'graph.py' must be package.module:name or path/file.py:name"),
        (":agent", "AGENT: ':agent' must be package.module:name or path/file.py:name"),
        ("mine:agent()", "AGENT: 'mine:agent()' must be package.module:name or path/file.py:name"),
        ("no_such_module:agent", "AGENT: There is no module 'no_such_module'"),
        ("json.no_such_module:agent", "AGENT: There is no module 'json.no_such_module'"),
        ("no/such/file.py:agent", "AGENT: There is no file 'no/such/file.py'"),
        (".:agent", "AGENT: '.' is neither the name of a module nor the path of a .py file"),
        ("my-bot:agent", "AGENT: 'my-bot' is neither the name of a module nor the path of a .py file"),
        ("json:dump_it", "AGENT: json has no 'dump_it'; did you mean 'dump'?"),
        ("json:zebra", "AGENT: json has no 'zebra'"),
    ],
)
def test_a_wrong_reference_is_named(folder: Path, reference: str, says: str) -> None:
    assert problem(reference) == says


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("\nimport no_such_package", "ModuleNotFoundError: No module named 'no_such_package' at {file}:2"),
        ("\n\ndef broken(:\n", "SyntaxError: invalid syntax at {file}:3"),
        ("import os\nos.environ['NO_SUCH_VARIABLE']", "KeyError: 'NO_SUCH_VARIABLE' at {file}:2"),
        ("import json\njson.loads('{')", "JSONDecodeError at {file}:2"),
        ("raise RuntimeError('the key is hunter2')", "RuntimeError at {file}:1"),
        ("import sys\nsys.exit('the key is hunter2')", "SystemExit at {file}:2"),
    ],
)
def test_an_import_that_fails_is_named_with_its_line_and_without_the_text_of_unknown_errors(
    folder: Path, code: str, says: str
) -> None:
    write(folder / "mine.py", code)
    expected = says.format(file=folder / "mine.py")
    assert problem("./mine.py:agent") == f"AGENT: ./mine.py cannot be imported: {expected}"
    assert problem("mine:agent") == f"AGENT: mine cannot be imported: {expected}"
