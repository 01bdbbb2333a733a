"""Recorded speech in the folder `shared` beside the project, which may be absent.

The variable `SHARED_FOLDER` names the folder if it is elsewhere, as for a git worktree.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import soundfile

from tests.support.paths import PROJECT
from voicebot.audio.sound import SPEECH_RATE_HZ, Audio

SHARED = Path(os.environ.get("SHARED_FOLDER") or PROJECT.parent / "shared")


def recordings(kind: str) -> list[dict[str, Any]]:
    """Returns the manifest's entries of one kind. Skips the test where the folder is absent."""
    manifest = SHARED / "audio" / "manifest.json"
    if not manifest.exists():
        pytest.skip("there is no folder `shared` with recorded speech beside the project")
    return [entry for entry in json.loads(manifest.read_text("utf-8")) if entry["kind"] == kind]


def recording(file: str) -> Audio:
    """Reads the audio at 16 kHz."""
    samples, rate_hz = soundfile.read(SHARED / "audio" / file, dtype="int16")
    return Audio(samples, rate_hz).resampled(SPEECH_RATE_HZ)
