"""Parses Markdown pages: code blocks with their marks, code spans, links, and the anchors that GitHub makes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

MARK = re.compile(r"<!-- (not run|runs until): (.+?) -->")
MARKDOWN = MarkdownIt("commonmark").enable("table")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced code block."""

    page: Path
    line: int
    """The number of its first line of code."""
    language: str
    code: str
    not_run: str = ""
    """Why its commands are not run: the text of the comment `<!-- not run: REASON -->` before it, or ""."""
    runs_until: str = ""
    """The output after which its last command is interrupted, from the comment `<!-- runs until: TEXT -->`, or ""."""


class Page:
    """A Markdown file."""

    def __init__(self, path: Path, text: str | None = None) -> None:
        """Parses the text, or else the text of the file."""
        self.path = path
        tokens = MARKDOWN.parse(path.read_text("utf-8") if text is None else text)
        inline = [child for token in tokens for child in token.children or ()]
        self.blocks = list(self._blocks(tokens))
        self.code_spans = [token.content for token in inline if token.type == "code_inline"]
        targets = [token.attrGet({"link_open": "href", "image": "src"}.get(token.type, "")) for token in inline]
        self.links = [str(target) for target in targets if target]
        self.anchors = set(_anchors(tokens))

    def _blocks(self, tokens: list[Token]) -> Iterator[Block]:
        before: Token | None = None
        for token in tokens:
            if token.type == "fence":
                mark = MARK.search(before.content) if before is not None and before.type == "html_block" else None
                marked: dict[str, str] = {mark[1].replace(" ", "_"): mark[2]} if mark else {}
                assert token.map is not None
                yield Block(self.path, token.map[0] + 2, token.info, token.content, **marked)
            before = token


def pages(project: Path) -> list[Page]:
    """Returns the project's own pages, the README first."""
    tops = sorted(each for each in project.iterdir() if each.is_dir() and not each.name.startswith("."))
    found = [path for top in tops for path in sorted(top.rglob("*.md")) if "node_modules" not in path.parts]
    first = sorted(project.glob("*.md"), key=lambda path: (path.name != "README.md", path.name))
    return [Page(path) for path in [*first, *found]]


def _anchors(tokens: list[Token]) -> Iterator[str]:
    counts: dict[str, int] = {}
    for heading, inline in pairwise(tokens):
        if heading.type == "heading_open":
            slug = slug_of("".join(child.content for child in inline.children or ()))
            counts[slug] = counts.get(slug, -1) + 1
            yield f"{slug}-{counts[slug]}" if counts[slug] else slug
    for token in tokens:
        yield from re.findall(r'<a (?:id|name)="([^"]+)"', token.content)


def slug_of(heading: str) -> str:
    """Returns the anchor that GitHub gives to a heading, without the number of a repetition."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
