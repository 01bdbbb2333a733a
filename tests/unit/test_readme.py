"""The README tells what is so."""

from __future__ import annotations

import re
import runpy
import sys

import pytest

from tests.support.paths import PROJECT
from voicebot.config import Settings

README = (PROJECT / "README.md").read_text("utf-8")


@pytest.mark.timeout(300)  # some 40 s of computing where coverage is measured
def test_the_readme_diagram_matches_the_state_machine(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (shown,) = re.findall(r"<!-- diagram -->\n```mermaid\n(.*?)\n```\n<!-- /diagram -->", README, re.DOTALL)
    monkeypatch.delitem(sys.modules, "voicebot.core.diagram", raising=False)
    runpy.run_module("voicebot.core.diagram", run_name="__main__")
    printed = capsys.readouterr().out
    assert f"{shown}\n" == printed, "run `python -m voicebot.core.diagram` and put its output into README.md"


def test_the_settings_named_in_the_readme_exist() -> None:
    (table,) = re.findall(r"Most used:\n\n(.*?)\n\n", README, re.DOTALL)
    named = {name for row in table.splitlines()[2:] for name in re.findall(r"`([A-Z][A-Z_]+)`", row.split("|")[1])}
    assert named
    assert named <= {name.upper() for name in Settings.model_fields}


def test_the_files_linked_in_the_readme_exist() -> None:
    linked = re.findall(r"\]\(([^)#:]+)\)", README)
    assert linked
    assert [path for path in linked if not (PROJECT / path).exists()] == []
