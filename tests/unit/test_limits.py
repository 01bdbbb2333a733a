"""All limits are defined in one module, each under one name."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

from voicebot.runtime import limits


def test_no_limit_is_defined_twice() -> None:
    """A second definition would silently replace the first."""
    module = ast.parse(Path(limits.__file__).read_text("utf-8"))
    assigned = (each for each in ast.walk(module) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store))
    assert [name for name, count in Counter(each.id for each in assigned).items() if count > 1] == []
