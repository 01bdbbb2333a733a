"""The page's modules as far as they need no browser: Node runs their tests in `tests/page`."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.node import PAGE_TESTS, node

QUIET = "--disable-warning=MODULE_TYPELESS_PACKAGE_JSON"


@pytest.mark.parametrize("path", sorted(PAGE_TESTS.glob("*.test.js")), ids=lambda path: path.name)
def test_modules_pass_their_node_tests(path: Path) -> None:
    ended = subprocess.run([node(), QUIET, "--test", str(path)], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
