"""The agent's personas: those of this folder, and one of the operator's own. Each is a Markdown file with the text of
its system prompt."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from types import MappingProxyType

from voicebot.languages.loader import language_names

MAX_CHARS = 12_000
"""The longest prompt, about 3,000 tokens: half of what a request may have (`Tuning.history_max_tokens`)."""

MAX_FILE_CHARS = 50_000
"""The longest file, with its comments. No more of it is read, so that a wrong path does not fill the memory."""

_LABEL = re.compile(r"<!--\s*label:\s*(.+?)\s*-->")
_COMMENT = re.compile(r"<!--.*?-->\s*", re.DOTALL)
_NAME = re.compile(r"[\w-]{1,100}")


class PersonaError(ValueError):
    """The file of a persona can't be used. The text names the file and says why."""


@dataclass(frozen=True, slots=True)
class Persona:
    """A persona: its name for programs, its name for people, and the text of its system prompt."""

    name: str
    label: str
    prompt: str


@cache
def personas(own: Path | None = None) -> Mapping[str, Persona]:
    """Returns all personas by name, in alphabetical order. `own` is the file of a further one.

    If the file has the name of a persona of the package, it replaces that one. Each file is read only once, as every
    reply needs it. Raises PersonaError if `own` can't be used.
    """
    found: list[Traversable] = [file for file in files(__name__).iterdir() if file.name.endswith(".md")]
    known = {each.name: each for each in map(_read, (*found, *([] if own is None else [own])))}
    return MappingProxyType(dict(sorted(known.items())))


def _read(file: Traversable | Path) -> Persona:
    """Reads a persona. The comment `<!-- label: … -->` has its name for people; no comment is part of the prompt."""
    name = file.name.removesuffix(".md")
    if _NAME.fullmatch(name) is None:
        raise PersonaError(f"{file}: the name of the file must be letters, digits, - and _, such as pirate.md")
    try:
        with file.open(encoding="utf-8") as opened:
            text = opened.read(MAX_FILE_CHARS + 1)
    except OSError as error:
        raise PersonaError(f"{file}: {error.strerror or 'it cannot be read'}") from None
    except UnicodeDecodeError:
        raise PersonaError(f"{file}: the file is not text in UTF-8") from None
    if len(text) > MAX_FILE_CHARS:
        raise PersonaError(f"{file}: the file has more than {MAX_FILE_CHARS} characters")
    prompt = _COMMENT.sub("", text.removeprefix("\ufeff")).strip()
    if not prompt:
        raise PersonaError(f"{file}: the file has no text beside comments")
    if "<!--" in prompt:
        raise PersonaError(f"{file}: a comment <!-- does not end with -->")
    if len(prompt) > MAX_CHARS:
        raise PersonaError(f"{file}: the text has {len(prompt)} characters; {MAX_CHARS} are allowed")
    label = _LABEL.search(text)
    return Persona(name, label[1] if label else name.replace("_", " ").replace("-", " ").capitalize(), prompt)


def system_prompt(persona_text: str, language: str) -> str:
    """Returns the system prompt: the persona's text and, unless it is English, the language that the user speaks.

    `language` is an ISO 639-1 code.
    """
    if language == "en":
        return persona_text
    spoken = language_names().get(language, f"the language with the code {language!r}")
    return f"{persona_text}\n\nThe user speaks {spoken}. Answer in {spoken}, unless you are asked for another language."
