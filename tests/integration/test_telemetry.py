"""onnxruntime, which runs the embedded models, does not report its use to its makers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.app_process import environment


@pytest.mark.parametrize(("first", "reports"), [("import voicebot", False), ("pass", True)])
def test_onnxruntime_keeps_no_record_of_its_use(first: str, reports: bool, tmp_path: Path) -> None:
    """Without the bot it does, which shows that the test would notice."""
    own = {"HOME": str(tmp_path), "TMPDIR": str(tmp_path), "PATH": "/nowhere"}
    inherited = {name: value for name, value in environment().items() if name not in {"XDG_CACHE_HOME", *own}}
    inherited.pop("ORT_DISABLE_TELEMETRY", None)
    subprocess.run([sys.executable, "-c", f"{first}; import onnxruntime"], env=inherited | own, check=True)
    assert any(tmp_path.rglob("*onnxruntime*")) == reports
