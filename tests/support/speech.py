"""Speech for tests, spoken by flite (a Debian package whose voices the embedded recogniser understands well)."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import pytest
import soundfile

from voicebot.audio.sound import Audio


@cache
def spoken(text: str, voice: str = "rms", *, phones: bool = False) -> Audio:
    """Returns the text as speech. With `phones`, the text is a list of flite's phones.

    Flite spells words such as "mm-hmm" letter by letter, so that they need phones. Skips the test where flite is
    absent, or fails it if the suite must be complete.
    """
    if shutil.which("flite") is None:
        if os.environ.get("REQUIRE_BROWSER"):
            pytest.fail("flite is missing: apt-get install flite")
        pytest.skip("flite is not installed (apt-get install flite): no speech to test with")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "speech.wav"
        subprocess.run(
            ["flite", "-voice", voice, "-p" if phones else "-t", text, "-o", str(file)], check=True, capture_output=True
        )
        samples, rate_hz = soundfile.read(file, dtype="int16")
    return Audio(samples, rate_hz)
