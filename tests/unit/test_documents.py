"""README and the documents agree with the code: diagram, settings, links and names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.paths import PROJECT
from tools.documents import GENERATORS
from voicebot.settings.config import SETTINGS

README = (PROJECT / "README.md").read_text("utf-8")
ARCHITECTURE = PROJECT / "docs" / "architecture.md"


@pytest.mark.timeout(300)  # about 40 s of computing for the state diagram while coverage is measured
@pytest.mark.parametrize("path", GENERATORS)
def test_a_generated_document_is_up_to_date(path: str) -> None:
    assert (PROJECT / path).read_text("utf-8") == GENERATORS[path](), "run `make docs`"


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
