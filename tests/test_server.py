"""What the server says of itself."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr

from voicebot import config, server
from voicebot.engines.base import EngineHealth
from voicebot.engines.preflight import Health
from voicebot.server import notice


def test_a_service_that_rests_is_named_as_it_may_be_used_again() -> None:
    def engine(name: str, *, ready: bool = True) -> EngineHealth:
        return EngineHealth(name, ready)

    health = {
        "stt": (engine("pocketsphinx"),),
        "llm": (engine("groq"), engine("openai"), engine("offline")),
        "tts": (engine("gtts", ready=False), engine("espeak")),
    }
    settings = config.load()
    assert notice(health, settings).startswith(
        "What is said here is answered by groq or openai, spoken by gtts, over the internet. "
    )
    embedded = {stage: engines[-1:] for stage, engines in health.items()}
    assert "no service hears you" in notice(embedded, settings)


def test_visitors_are_told_what_is_kept() -> None:
    health: Health = dict.fromkeys(("stt", "llm", "tts"), (EngineHealth("offline", ready=True),))

    def kept(**settings: Any) -> str:
        return notice(health, config.load(**settings)).split("hears you. ")[1]

    assert kept() == "The words are kept for 30 days, or until you begin a new conversation."
    assert kept(retention_days=0.5) == "The words are kept for 0.5 days, or until you begin a new conversation."
    assert kept(retention_days=0) == "The words are kept until you begin a new conversation."
    assert kept(keep_conversations=False) == "The words are not kept."


@pytest.mark.parametrize(
    ("settings", "warnings"),
    [
        ({}, ["lock it", "carries no voice"]),
        ({"app_username": "ann", "app_password": SecretStr("horse")}, ["carries no voice"]),
        ({"turn_url": "turn:relay.example:3478"}, ["lock it"]),
    ],
)
async def test_a_share_link_is_printed_with_what_it_lacks(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, settings: dict[str, Any], warnings: list[str]
) -> None:
    caplog.set_level("INFO")
    asked: list[tuple[Any, ...]] = []

    def tunnel(*arguments: Any) -> str:
        asked.append(arguments)
        return "https://07ff8706ab.gradio.live"

    monkeypatch.setattr(server, "setup_tunnel", tunnel)
    await server._share("127.0.0.1", 7860, config.load(**settings))
    assert asked[0][:2] == ("127.0.0.1", 7860)
    link, *told = [record.message for record in caplog.records]
    assert link == "public link: https://07ff8706ab.gradio.live"
    assert len(told) == len(warnings)
    assert all(warning in line for warning, line in zip(warnings, told, strict=True))


async def test_without_a_link_it_says_why(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def tunnel(*_: Any) -> str:
        raise RuntimeError("Could not get share link from Gradio API Server.")

    monkeypatch.setattr(server, "setup_tunnel", tunnel)
    await server._share("127.0.0.1", 7860, config.load())
    assert [record.message for record in caplog.records] == [
        "no public link: Could not get share link from Gradio API Server."
    ]
