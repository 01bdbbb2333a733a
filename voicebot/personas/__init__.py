"""Who the agent is: one Markdown file a persona, the text of the system prompt."""

from __future__ import annotations

from importlib.resources import files


def personas() -> tuple[str, ...]:
    """The names of those there are, in alphabetical order."""
    return tuple(
        sorted(file.name.removesuffix(".md") for file in files(__name__).iterdir() if file.name.endswith(".md"))
    )


def persona(name: str) -> str:
    """The persona's text. Raises ValueError, naming those there are, if there is none of that name."""
    if name not in personas():
        raise ValueError(f"there is no persona {name!r}, only {', '.join(personas())}")
    return (files(__name__) / f"{name}.md").read_text("utf-8").strip()
