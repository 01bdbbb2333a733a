"""`python -m tools.tests_since COMMIT`: what became of each test that there was then, as a table: kept, moved or gone.

A test is known by its name; one whose name stands in several files is looked for in the file that it was in first.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator


def tests_at(commit: str) -> Iterator[tuple[str, str]]:
    """The file and the name of each test function."""
    listed = _git("ls-tree", "-r", "--name-only", commit, "tests").splitlines()
    for file in listed:
        if file.rpartition("/")[2].startswith("test_") and file.endswith(".py"):
            for node in ast.walk(ast.parse(_git("show", f"{commit}:{file}"))):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                    yield file, node.name


def fates(before: list[tuple[str, str]], after: list[tuple[str, str]]) -> Iterator[tuple[str, str, str]]:
    """The file, the name, and what became of the test: `kept`, the file that it has moved to, or `gone`."""
    left = Counter(after)
    moved = []
    for test in before:
        if left[test]:
            left[test] -= 1
            yield *test, "kept"
        else:
            moved.append(test)
    for file, name in moved:
        to = next((each for each, known in left.elements() if known == name), None)
        if to is None:
            yield file, name, "gone"
        else:
            left[to, name] -= 1
            yield file, name, f"moved to {to}"


def main() -> None:
    before, after = list(tests_at(sys.argv[1])), list(tests_at("HEAD"))
    rows = sorted(fates(before, after))
    counts = Counter(fate.partition(" ")[0] for _, _, fate in rows)
    new = len(after) - counts["kept"] - counts["moved"]
    sys.stdout.write(f"{len(before)} tests then, {len(after)} now: {dict(counts)}, {new} new\n\n")
    sys.stdout.write("| test | was in | now |\n|---|---|---|\n")
    sys.stdout.writelines(f"| {name} | {file} | {fate} |\n" for file, name, fate in rows)


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    main()
