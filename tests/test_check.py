"""`python app.py --check` on the command line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.app_process import PROJECT, environment


def checked(folder: Path, **settings: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(PROJECT / "app.py"), "--check"]
    return subprocess.run(
        command, cwd=folder, env=environment(**settings), capture_output=True, text=True, timeout=60, check=False
    )


def test_settings_that_cannot_be_used_are_told_as_at_a_start(tmp_path: Path) -> None:
    done = checked(tmp_path, llm_engine="groq")
    assert done.returncode == 1
    assert "Voice Bot can't start.\nGROQ_API_KEY: is missing, and groq needs it" in done.stderr
