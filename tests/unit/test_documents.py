"""README and the documents agree with the code: diagram, settings, links and names."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path

import pytest

from tests.support.paths import PROJECT
from voicebot.settings.config import SETTINGS

README = (PROJECT / "README.md").read_text("utf-8")
ARCHITECTURE = PROJECT / "docs" / "architecture.md"


@pytest.mark.timeout(300)  # about 40 s of computing while coverage is measured
def test_the_state_diagram_matches_the_state_machine(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (shown,) = re.findall(
        r"<!-- diagram -->\n```mermaid\n(.*?)\n```\n<!-- /diagram -->", ARCHITECTURE.read_text("utf-8"), re.DOTALL
    )
    monkeypatch.delitem(sys.modules, "voicebot.dialogue.diagram", raising=False)
    runpy.run_module("voicebot.dialogue.diagram", run_name="__main__")
    printed = capsys.readouterr().out
    assert f"{shown}\n" == printed, (
        "run `python -m voicebot.dialogue.diagram` and put its output into docs/architecture.md"
    )


def test_the_settings_named_in_the_readme_exist() -> None:
    (table,) = re.findall(r"Most used:\n\n(.*?)\n\n", README, re.DOTALL)
    named = {name for row in table.splitlines()[2:] for name in re.findall(r"`([A-Z][A-Z_]+)`", row.split("|")[1])}
    assert named
    assert named <= {name.upper() for name in SETTINGS}


@pytest.mark.parametrize(
    "page", [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))], ids=lambda page: page.name
)
def test_the_files_linked_in_a_page_exist(page: Path) -> None:
    linked = re.findall(r"\]\(([^)#:]+)[^):]*\)", page.read_text("utf-8"))
    assert [path for path in linked if not (page.parent / path).exists()] == []


def test_the_files_and_packages_named_in_the_architecture_exist() -> None:
    named = re.findall(r"`([a-z_]+(?:/[a-z_]+)*(?:\.py|/[a-z_]+))`", ARCHITECTURE.read_text("utf-8"))
    assert len(named) > 10
    folders = (PROJECT, PROJECT / "voicebot", PROJECT / "voicebot" / "engines", PROJECT / "voicebot" / "transports")
    assert [name for name in named if not any((folder / name).exists() for folder in folders)] == []
