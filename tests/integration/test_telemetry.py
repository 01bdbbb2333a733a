"""onnxruntime, which runs the embedded models, does not report its use to its makers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import PROJECT


@pytest.mark.parametrize(("first", "reports"), [("import voicebot", False), ("pass", True)])
def test_onnxruntime_keeps_no_record_of_its_use(first: str, reports: bool, tmp_path: Path) -> None:
    """Without the bot it does, which shows that the test would notice.

    Nothing of the environment is inherited: onnxruntime is silent by itself where `CI` and the like are set.
    """
    environment = {"HOME": str(tmp_path), "TMPDIR": str(tmp_path), "PATH": "/nowhere", "PYTHONPATH": str(PROJECT)}
    subprocess.run([sys.executable, "-c", f"{first}; import onnxruntime"], env=environment, check=True)
    assert any(tmp_path.rglob("*onnxruntime*")) == reports
