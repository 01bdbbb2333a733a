"""The app as a user starts it, and examples that run as programs of their own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import soundfile

from tests.page.__main__ import find_node
from tests.support.app_process import forked_app
from tests.support.paths import PROJECT
from tests.support.speech import spoken

EXAMPLES = PROJECT / "examples"

Run = Callable[..., str]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the app with its embedded engines; its log must be free of crashes."""
    with forked_app(tmp_path_factory.mktemp("app")) as app:
        yield app.url
        assert "Traceback" not in app.log.read_text("utf-8"), app.log.read_text("utf-8")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs an example in a folder of its own until it ends by itself, and returns what it printed."""

    def run(example: str, *arguments: object) -> str:
        program = find_node() if example.endswith(".mjs") else sys.executable
        ended = subprocess.run(
            [program, str(EXAMPLES / example), *map(str, arguments)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout + ended.stderr
        return ended.stdout

    return run


@pytest.fixture
def wav(tmp_path: Path) -> Callable[[str], Path]:
    """Returns a file in which somebody says the text."""

    def say(text: str) -> Path:
        path = tmp_path / f"{text[:8].replace(' ', '_')}.wav"
        sound = spoken(text)
        soundfile.write(path, sound.samples, sound.rate_hz)
        return path

    return say
