"""The documents agree with the code and with each other: what is generated, links, commands, and names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import aiortc  # noqa: F401 (importing it starts a process, which a test may not; `--help` of some modules imports it)
import pytest

from tests.documents.commands import OTHER_VARIABLES, OUR_PATH, problems, problems_of
from tests.documents.pages import Page, pages
from tests.support.paths import PROJECT
from tools.documents import GENERATORS
from voicebot.settings.config import SETTINGS

README = PROJECT / "README.md"
INDEX = PROJECT / "docs" / "README.md"
ARCHITECTURE = PROJECT / "docs" / "architecture.md"
PAGES = {str(page.path.relative_to(PROJECT)): page for page in pages(PROJECT)}
SHELLS = {"", "bash", "console", "shell", "zsh"}
"""Languages of code blocks whose commands would not be checked: commands stand in blocks of `sh`, output in `text`."""

FOREIGN_VARIABLES = OTHER_VARIABLES | {
    "LANGSMITH_TRACING",
    "OLLAMA_KEEP_ALIVE",
    "ORT_DISABLE_TELEMETRY",
    "XDG_CACHE_HOME",
}
"""Variables of other programs that the documents name."""

each_page = pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)


@pytest.mark.timeout(300)  # about 40 s of computing for the state diagram while coverage is measured
@pytest.mark.parametrize("path", GENERATORS)
def test_a_generated_document_is_up_to_date(path: str) -> None:
    assert (PROJECT / path).read_text("utf-8") == GENERATORS[path](), "run `make docs`"


def test_the_readme_is_short() -> None:
    text = README.read_bytes()
    assert len(text.splitlines()) <= 170
    assert len(text) <= 12_288


@each_page
def test_the_links_of_a_page_lead_somewhere(page: Page) -> None:
    assert "\n".join(link for link in page.links if not _exists(page, link)) == ""


def _exists(page: Page, link: str) -> bool:
    if _is_elsewhere(link):
        return True
    path, _, anchor = link.partition("#")
    target = (page.path.parent / path).resolve() if path else page.path
    if not target.exists() or not target.is_relative_to(PROJECT):
        return False
    return not anchor or target.suffix != ".md" or anchor in PAGES[str(target.relative_to(PROJECT))].anchors


def test_every_document_is_reached_from_the_readme_or_the_index() -> None:
    reached, to_visit = set[Path](), [README, INDEX]
    while to_visit:
        path = to_visit.pop()
        if path not in reached and (page := PAGES.get(str(path.relative_to(PROJECT)))) is not None:
            reached.add(path)
            local = [link.partition("#")[0] for link in page.links if not _is_elsewhere(link)]
            to_visit += [target for link in local if (target := (path.parent / link).resolve()).is_relative_to(PROJECT)]
    documents = set(PROJECT.glob("docs/**/*.md")) - {INDEX}
    assert sorted(str(path.relative_to(PROJECT)) for path in documents - reached) == []


def _is_elsewhere(link: str) -> bool:
    return re.match(r"[a-z]+:", link) is not None


@each_page
def test_code_blocks_name_a_language_and_commands_are_in_sh(page: Page) -> None:
    assert [f"line {block.line}" for block in page.blocks if block.language in SHELLS] == []


@each_page
def test_the_commands_of_a_page_can_be_run_or_say_why_not(page: Page) -> None:
    blocks = [block for block in page.blocks if block.language == "sh"]
    found = [f"line {block.line}: {problem}" for block in blocks for problem in problems_of(block)]
    assert "\n".join(found) == ""


@each_page
def test_what_a_page_names_exists(page: Page) -> None:
    if page.path.name == "CHANGELOG.md":
        return  # it also names what was removed
    assert "\n".join(problem for span in page.code_spans for problem in _problems_of_name(span)) == ""


def _problems_of_name(span: str) -> Iterator[str]:
    """Yields what is wrong with the settings, paths and commands in a code span."""
    for name in re.findall(r"(?<![\w…])[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b", span):
        if name.lower() not in SETTINGS and name not in FOREIGN_VARIABLES and name not in _constants():
            yield f"{name} is neither a setting nor a constant"
    if OUR_PATH.fullmatch(span) and not (PROJECT / span).exists():
        yield f"{span} does not exist"
    if re.match(r"(make|python3?|\.venv/bin/\w+|voicebot) \S", span) and "(" not in span:
        yield from problems(span, is_run=False)


@cache
def _constants() -> set[str]:
    paths = [path for folder in ("voicebot", "tests", "tools", "deploy") for path in (PROJECT / folder).rglob("*.py")]
    constant = re.compile(r"^([A-Z][A-Z0-9_]+)(?:: [^=]+)? =", re.MULTILINE)
    return {name for path in paths for name in constant.findall(path.read_text("utf-8"))}


def test_the_files_and_packages_named_in_the_architecture_exist() -> None:
    named = re.findall(r"`([a-z_]+(?:/[a-z_]+)*(?:\.py|/[a-z_]+))`", ARCHITECTURE.read_text("utf-8"))
    assert len(named) > 10
    folders = (PROJECT, PROJECT / "voicebot", PROJECT / "voicebot" / "engines", PROJECT / "voicebot" / "transports")
    assert [name for name in named if not any((folder / name).exists() for folder in folders)] == []
