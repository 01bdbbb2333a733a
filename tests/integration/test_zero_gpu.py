"""ZeroGPU ends an app that does not report its start. The tests use the real package `spaces`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulators.zero_gpu import DeviceApi, Report
from tests.support.app_process import environment, forked_app
from voicebot.bootstrap.zero_gpu import report_start
from voicebot.settings import config

# The tests share fixtures that take seconds to make, so they run in one worker.
pytestmark = [pytest.mark.xdist_group("ZeroGPU"), pytest.mark.long]


def test_the_app_reports_its_start_before_its_port_opens_and_becomes_healthy(tmp_path: Path) -> None:
    with DeviceApi().running() as api, forked_app(tmp_path, **api.environment) as app:
        assert app.health()["status"] == "healthy"
        assert api.reports == [Report("/startup-report", listening=False)]
        assert "the start-up report was sent to ZeroGPU" in app.log.read_text("utf-8")


def test_the_spaces_package_reports_no_start_without_a_function_marked_for_the_gpu(tmp_path: Path) -> None:
    """This is why the app marks a function that nothing calls."""
    with DeviceApi().running() as api:
        program = "import spaces, spaces.zero; spaces.zero.startup()"
        subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=environment(**api.environment), check=True)
        assert api.reports == []


@pytest.mark.parametrize(
    ("status", "cause"), [(500, "RuntimeError: Error while initializing ZeroGPU"), (None, "ConnectError: ")]
)
def test_a_failed_start_up_report_is_logged_and_the_app_keeps_running(
    status: int | None, cause: str, tmp_path: Path
) -> None:
    with DeviceApi(status or 200).running() as api:
        gone = {"spaces_zero_device_api_url": "http://127.0.0.1:1"} if status is None else {}
        with forked_app(tmp_path, **api.environment | gone) as app:
            assert app.health()["status"] == "healthy"
            log = app.log.read_text("utf-8")
    assert f"ERROR voicebot.bootstrap.zero_gpu: no start-up report was sent to ZeroGPU ({cause}" in log


def test_a_missing_spaces_package_is_logged(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spaces", None)
    report_start(config.load(spaces_zero_gpu=True))
    assert "no start-up report was sent to ZeroGPU (ModuleNotFoundError" in caplog.text


@pytest.mark.parametrize("value", ["1", "t", "true", "True"])
def test_zero_gpu_is_detected_by_each_value_that_the_spaces_package_accepts(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPACES_ZERO_GPU", value)
    assert config.load().spaces_zero_gpu


def test_the_spaces_package_is_not_imported_outside_zero_gpu(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "spaces", None)
    report_start(config.load())
    assert caplog.text == ""
