"""Who the agent is: one Markdown file a persona, the text of the system prompt."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

from voicebot.languages.loader import language_names

_LABEL = re.compile(r"<!--\s*label:\s*(.+?)\s*-->")
_COMMENT = re.compile(r"<!--.*?-->\s*", re.DOTALL)


def personas() -> tuple[str, ...]:
    """The names of those there are, in alphabetical order."""
    return tuple(
        sorted(file.name.removesuffix(".md") for file in files(__name__).iterdir() if file.name.endswith(".md"))
    )


@cache
def persona(name: str) -> str:
    """The persona's text, without the comments in it (`<!-- … -->`), which are for who edits the file.

    Every reply asks for it, so the file is read only once. Raises ValueError, naming those there are, if there is none
    of that name.
    """
    if name not in personas():
        raise ValueError(f"there is no persona {name!r}, only {', '.join(personas())}")
    return _COMMENT.sub("", (files(__name__) / f"{name}.md").read_text("utf-8")).strip()


def label(name: str) -> str:
    """The persona's name for people: the comment `<!-- label: … -->` in its file, else the file's name."""
    found = _LABEL.search((files(__name__) / f"{name}.md").read_text("utf-8"))
    return found[1] if found else name.replace("_", " ").replace("-", " ").capitalize()


def system_prompt(persona_text: str, language: str) -> str:
    """The persona told which language the user speaks (ISO 639-1 code). Personas are written for English."""
    if language == "en":
        return persona_text
    spoken = language_names().get(language, f"the language with the code {language!r}")
    return f"{persona_text}\n\nThe user speaks {spoken}. Answer in {spoken}, unless you are asked for another language."
