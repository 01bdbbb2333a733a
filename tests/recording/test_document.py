"""docs/recording.md tells what the files are."""

from __future__ import annotations

from pathlib import Path

from voicebot.recording.document import document

PAGE = Path(__file__).parents[2] / "docs" / "recording.md"


def test_the_page_is_made_of_the_models() -> None:
    command = "python -m voicebot.recording.document > docs/recording.md"
    assert PAGE.read_text("utf-8") == document(), f"run `{command}`"
