"""docs/protocols/recordings.md describes the files of a recording and is generated from their models."""

from __future__ import annotations

from tests.support.paths import PROJECT
from voicebot.recording.document import document

PAGE = PROJECT / "docs" / "protocols" / "recordings.md"


def test_the_recording_page_is_the_one_generated_from_the_models() -> None:
    command = "python -m voicebot.recording.document > docs/protocols/recordings.md"
    assert PAGE.read_text("utf-8") == document(), f"run `{command}`"
