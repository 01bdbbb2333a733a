"""The README tells what is so."""

from __future__ import annotations

import re

from tests.support.paths import PROJECT
from voicebot.config import Settings
from voicebot.core.diagram import diagram

README = (PROJECT / "README.md").read_text("utf-8")


def test_the_diagram_is_the_machine() -> None:
    (shown,) = re.findall(r"<!-- diagram -->\n```mermaid\n(.*?)\n```\n<!-- /diagram -->", README, re.DOTALL)
    assert shown == diagram(), "run `python -m voicebot.core.diagram` and put its output into README.md"


def test_settings_it_names_exist() -> None:
    (table,) = re.findall(r"Most used:\n\n(.*?)\n\n", README, re.DOTALL)
    named = {name for row in table.splitlines()[2:] for name in re.findall(r"`([A-Z][A-Z_]+)`", row.split("|")[1])}
    assert named
    assert named <= {name.upper() for name in Settings.model_fields}


def test_files_it_names_exist() -> None:
    linked = re.findall(r"\]\(([^)#:]+)\)", README)
    assert linked
    assert [path for path in linked if not (PROJECT / path).exists()] == []
