"""The agent's personas. Each one is a Markdown file in this folder with the text of its system prompt."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

from voicebot.languages.loader import language_names

_LABEL = re.compile(r"<!--\s*label:\s*(.+?)\s*-->")
_COMMENT = re.compile(r"<!--.*?-->\s*", re.DOTALL)


def personas() -> tuple[str, ...]:
    """Returns the names of all personas, in alphabetical order."""
    return tuple(
        sorted(file.name.removesuffix(".md") for file in files(__name__).iterdir() if file.name.endswith(".md"))
    )


@cache
def persona(name: str) -> str:
    """Returns the text of a persona, without comments (`<!-- … -->`).

    The file is read only once, as every reply needs it. Raises ValueError if there is no such persona.
    """
    if name not in personas():
        raise ValueError(f"there is no persona {name!r}; there are only {', '.join(personas())}")
    return _COMMENT.sub("", (files(__name__) / f"{name}.md").read_text("utf-8")).strip()


def label(name: str) -> str:
    """Returns the persona's name for people: from the comment `<!-- label: … -->` in its file, else the file's name."""
    found = _LABEL.search((files(__name__) / f"{name}.md").read_text("utf-8"))
    return found[1] if found else name.replace("_", " ").replace("-", " ").capitalize()


def system_prompt(persona_text: str, language: str) -> str:
    """Returns the system prompt: the persona's text and, unless it is English, the language that the user speaks.

    `language` is an ISO 639-1 code.
    """
    if language == "en":
        return persona_text
    spoken = language_names().get(language, f"the language with the code {language!r}")
    return f"{persona_text}\n\nThe user speaks {spoken}. Answer in {spoken}, unless you are asked for another language."
