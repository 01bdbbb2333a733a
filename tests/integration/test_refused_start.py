"""Wrong settings are reported at once, before the packages are loaded that take seconds."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.app_process import environment
from tests.support.paths import PROJECT

SLOW = {"langchain_core", "langgraph", "groq", "openai", "deepgram", "fastrtc", "gradio", "aiortc", "av", "fastapi"}
"""Packages that together take most of the start. Those of the settings and the database URL take 0.5 s."""


def refused(folder: Path, *arguments: str, **settings: str) -> tuple[str, set[str]]:
    """Returns the error output of a refused start, and the top-level packages that it loaded."""
    ended = subprocess.run(
        [sys.executable, "-X", "importtime", str(PROJECT / "app.py"), *arguments],
        cwd=folder,
        env=environment(**settings) | {"PYTHONASYNCIODEBUG": ""},  # Warnings of asyncio would stand between the lines.
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1, ended.stderr
    imports = re.findall(r"^import time:.*\| *([\w.]+)$", ended.stderr, re.MULTILINE)
    said = "\n".join(line for line in ended.stderr.splitlines() if not line.startswith("import time:"))
    return said, {name.partition(".")[0] for name in imports}


@pytest.mark.parametrize(
    ("settings", "lines"),
    [
        ({"MAX_SESSIONS": "0"}, ["MAX_SESSIONS: Input should be greater than or equal to 1"]),
        (
            {"STT_ENGINE": "deepgramm"},
            ["STT_ENGINE: Input should be 'auto', 'deepgram', 'deepgram-rest' or 'moonshine'"],
        ),
        ({"LLM_ENGINE": "groq"}, ["GROQ_API_KEY: The engine groq needs this key"]),
        (
            {"STT_ENGINE": "deepgram", "LLM_ENGINE": "openai", "TTS_ENGINE": "elevenlabs", "PERSONA": "nobody"},
            [
                "PERSONA: There is no persona 'nobody'; there are only assistant, sales",
                "DEEPGRAM_API_KEY: The engine deepgram needs this key",
                "OPENAI_API_KEY: The engine openai needs this key",
                "ELEVENLABS_API_KEY: The engine elevenlabs needs this key",
            ],
        ),
        (
            {"LANGUAGE": "fr"},
            [
                "LANGUAGE: The engine moonshine (STT_ENGINE) does not know 'fr', only en; "
                "set DEEPGRAM_API_KEY, or leave LANGUAGE at en",
                "LANGUAGE: The engine offline (LLM_ENGINE) does not know 'fr', only en; "
                "set the key of a model, or run one of your own (docs/engines.md), or leave LANGUAGE at en",
            ],
        ),
        ({"PERSONA": "./people/flint.md"}, ["PERSONA: people/flint.md: No such file or directory"]),
        ({"APP_USERNAME": "me"}, ["APP_PASSWORD: This setting is missing, but APP_USERNAME is set"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_all_wrong_settings_are_listed_before_slow_packages_are_loaded(
    settings: dict[str, str], lines: list[str], tmp_path: Path
) -> None:
    said, loaded = refused(tmp_path, **settings)
    assert said.splitlines() == ["Voice Bot can't start.", *lines]
    assert loaded & SLOW == set()


def test_a_port_in_use_is_reported_before_slow_packages_are_loaded(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        said, loaded = refused(tmp_path, "--port", str(port))
    assert f"can't listen on 127.0.0.1, port {port}" in said
    assert loaded & SLOW == set()


def test_a_misspelt_setting_is_reported_with_the_error_that_it_causes(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("GROQ_API_KY=gsk_hush\nLLM_ENGINE=groq\n", "utf-8")
    said, _ = refused(tmp_path)
    assert said.splitlines() == [
        "Voice Bot can't start.",
        "GROQ_API_KEY: The engine groq needs this key",
        "GROQ_API_KY in .env is not a setting; did you mean GROQ_API_KEY?",
    ]


@pytest.mark.parametrize("port", ["99999", "-1", "http"])
def test_an_invalid_port_is_reported_without_a_traceback(port: str, tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, str(PROJECT / "app.py"), f"--port={port}"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert "argument --port: the port must be a number from 0 to 65535" in ended.stderr
    assert "Traceback" not in ended.stderr
