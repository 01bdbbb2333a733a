"""Writes everything that is generated from the code into the documents: `make docs`, or `python -m tools.documents`."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

from tools.documents import diagram, metrics, recordings, settings, webrtc, websocket

PROJECT = Path(__file__).parents[2]

GENERATORS: dict[str, Callable[[], str]] = {
    ".env.example": settings.env_example,
    "docs/architecture.md": lambda: with_part("docs/architecture.md", "diagram", diagram.diagram()),
    "docs/configuration.md": settings.configuration_page,
    "docs/metrics.md": metrics.document,
    "docs/protocols/recordings.md": recordings.document,
    "docs/protocols/webrtc.md": webrtc.document,
    "docs/protocols/websocket.md": websocket.document,
}
"""For each file that is generated, or that has a generated part, the function that returns its text."""


def with_part(path: str, name: str, part: str) -> str:
    """Returns the text of a file in which the drawing `part` stands between the comments `name` and `/name`."""
    text = (PROJECT / path).read_text("utf-8")
    start, end = f"<!-- {name} -->\n```mermaid\n", f"\n```\n<!-- /{name} -->"
    if text.count(start) != 1 or text.count(end) != 1:
        raise ValueError(f"{path} must contain {start.strip()} and {end.strip()} once")
    return re.sub(f"{start}.*?{end}", lambda _: start + part + end, text, flags=re.DOTALL)


def main() -> None:
    for path, generate in GENERATORS.items():
        text, file = generate(), PROJECT / path
        if not file.exists() or file.read_text("utf-8") != text:
            file.write_text(text, "utf-8")
            sys.stdout.write(f"{path} was written\n")
