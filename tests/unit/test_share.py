"""The log messages about a share link. `realtime/test_public` tests the connection through one."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr

from voicebot.access.request_checks import OwnNames
from voicebot.settings import config
from voicebot.web.ui import share
from voicebot.web.ui.share import open_link


@pytest.mark.parametrize(
    ("settings", "warnings"),
    [
        ({}, ["lock it", "carries no voice"]),
        ({"app_username": "ann", "app_password": SecretStr("horse")}, ["carries no voice"]),
        ({"turn_url": "turn:relay.example:3478", "turn_secret": "s"}, ["lock it"]),
    ],
)
async def test_a_share_link_is_logged_with_warnings_about_a_missing_password_or_relay(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, settings: dict[str, Any], warnings: list[str]
) -> None:
    caplog.set_level("INFO")
    asked: list[tuple[Any, ...]] = []

    def tunnel(*arguments: Any) -> str:
        asked.append(arguments)
        return "https://07ff8706ab.gradio.live"

    monkeypatch.setattr(share, "setup_tunnel", tunnel)
    names = OwnNames(config.load(**settings))
    assert not names.has("07ff8706ab.gradio.live")
    await open_link("127.0.0.1", 7860, config.load(**settings), names)
    assert names.has("07ff8706ab.gradio.live")
    assert asked[0][:2] == ("127.0.0.1", 7860)
    link, *logged = [record.message for record in caplog.records]
    assert link == "public link: https://07ff8706ab.gradio.live"
    assert len(logged) == len(warnings)
    assert all(warning in line for warning, line in zip(warnings, logged, strict=True))


async def test_a_failed_share_link_is_logged_with_its_reason(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def tunnel(*_: Any) -> str:
        raise RuntimeError("Could not get share link from Gradio API Server.")

    monkeypatch.setattr(share, "setup_tunnel", tunnel)
    await open_link("127.0.0.1", 7860, config.load(), OwnNames(config.load()))
    assert [record.message for record in caplog.records] == [
        "no public link: Could not get share link from Gradio API Server."
    ]
