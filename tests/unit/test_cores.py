"""The number of cores that `WORKERS=auto` counts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from voicebot.settings import config
from voicebot.settings.config import MAX_WORKERS, SettingsError
from voicebot.settings.cores import cores


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"{text}\n", "ascii")
    return folder


def test_the_quota_of_a_container_counts_and_is_rounded_down(tmp_path: Path) -> None:
    assert cores(tmp_path) == 8
    assert cores(write(tmp_path, cpu_dot_max="max 100000")) == 8
    assert cores(write(tmp_path, cpu_dot_max="250000 100000")) == 2
    assert cores(write(tmp_path, cpu_dot_max="50000 100000")) == 1
    assert cores(write(tmp_path, cpu_dot_max="1600000 100000")) == 8


def test_the_quota_of_version_1_counts(tmp_path: Path) -> None:
    files = {"cpu__cpu_dot_cfs_quota_us": "300000", "cpu__cpu_dot_cfs_period_us": "100000"}
    assert cores(write(tmp_path, **files)) == 3
    assert cores(write(tmp_path, cpu__cpu_dot_cfs_quota_us="-1")) == 8


def test_workers_are_a_number_or_one_for_each_core(monkeypatch: pytest.MonkeyPatch) -> None:
    assert config.load().workers == 1
    assert config.load(workers="3").workers == 3
    monkeypatch.setattr(config, "cores", lambda: 6)
    assert config.load(workers=" Auto ").workers == 6
    monkeypatch.setattr(config, "cores", lambda: 128)
    assert config.load(workers="auto").workers == MAX_WORKERS
    with pytest.raises(SettingsError, match="WORKERS"):
        config.load(workers=MAX_WORKERS + 1)
