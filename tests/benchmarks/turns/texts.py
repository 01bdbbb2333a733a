"""Text-only cases for the end of a turn, in five languages. texts/README.md explains the files."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Part = Literal["development", "held out"]

FOLDER = Path(__file__).parent / "texts"


@dataclass(frozen=True, slots=True)
class TurnText:
    """A case without sound: the words of a user so far, and whether they were the whole turn."""

    language: str
    part: Part
    kind: str
    family: str
    """Texts of one family share their topic. No family is in both parts."""
    asked: str
    """What the bot had just said; empty if it had asked nothing."""
    text: str
    over: bool


def turn_texts(folder: Path = FOLDER) -> list[TurnText]:
    """Reads the cases of all languages. Raises ValueError or KeyError if a file does not have the expected form."""
    return [case for path in sorted(folder.glob("*.toml")) for case in _cases(path)]


def _cases(path: Path) -> list[TurnText]:
    cases = []
    for number, family in enumerate(tomllib.loads(path.read_text("utf-8"))["family"], 1):
        if unknown := set(family) - {"part", "kind", "asked", "over", "unfinished"}:
            raise ValueError(f"{path.name}: family {number} has unknown keys: {sorted(unknown)}")
        part: Part = family["part"]
        if part not in ("development", "held out"):
            raise ValueError(f"{path.name}: family {number} is in no part: {part!r}")
        for over, texts in ((True, family.get("over", ())), (False, family.get("unfinished", ()))):
            cases += [
                TurnText(path.stem, part, family["kind"], f"{path.stem} {number}", family.get("asked", ""), text, over)
                for text in texts
            ]
    return cases
