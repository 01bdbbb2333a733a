"""The benchmark's Smart Turn: its weights come from Pipecat's wheel, and its report computes the right figures."""

from __future__ import annotations

import hashlib
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest

from tests.benchmarks.turns import smart_turn
from voicebot.engines.download import RemoteFile

CONTENT = b"weights"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = RemoteFile("https://example.org/x/turn.onnx", len(CONTENT), sha256=hashlib.sha256(CONTENT).hexdigest())
    monkeypatch.setattr(smart_turn, "FOLDER", tmp_path)
    monkeypatch.setattr(smart_turn, "WEIGHTS", file)
    return tmp_path


def write_wheel(folder: Path, content: bytes) -> None:
    with ZipFile(folder / "pipecat_ai-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("pipecat/audio/turn/smart_turn/data/turn.onnx", content)


def test_the_weights_are_taken_from_the_wheel_and_stay_beside_it(folder: Path) -> None:
    assert smart_turn.weights() is None
    write_wheel(folder, CONTENT)
    file = smart_turn.weights()
    assert file == folder / "turn.onnx"
    assert file.read_bytes() == CONTENT
    assert smart_turn.weights() == file


def test_a_wheel_with_another_model_is_refused(folder: Path) -> None:
    write_wheel(folder, b"forgery")
    with pytest.raises(ValueError, match="is not the expected model"):
        smart_turn.weights()


def test_the_area_under_the_curve_is_the_share_of_pairs_in_the_right_order() -> None:
    assert smart_turn.area_under_curve(np.array([0.9, 0.8]), np.array([0.1, 0.2])) == 1
    assert smart_turn.area_under_curve(np.array([0.9, 0.5]), np.array([0.5, 0.6])) == (2 + 0.5) / 4


def test_the_fit_finds_the_weight_and_the_offset_by_which_answers_were_made() -> None:
    rng = np.random.default_rng(5)
    log_odds = rng.normal(0, 3, 20_000)
    over = (rng.random(20_000) < 1 / (1 + np.exp(-(0.4 * log_odds)))).astype(np.float64)
    weight, error, offset = smart_turn.fitted(log_odds, over)
    assert weight == pytest.approx(0.4, abs=4 * error)
    assert error < 0.02
    assert offset == pytest.approx(0, abs=0.1)
