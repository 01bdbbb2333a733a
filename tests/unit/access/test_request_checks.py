"""The host names by which the server accepts requests."""

from __future__ import annotations

from typing import Any

import pytest

from voicebot.access.request_checks import OwnNames
from voicebot.settings import config

SETTINGS: dict[str, Any] = {
    "allowed_hosts": "Bot.example, 192.0.2.7, [2001:db8::7]",
    "allowed_origins": "https://friend.example:8443",
    "space_host": "me-bot.hf.space",
}


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:7860",
        "LOCALHOST:7860",
        "localhost.",
        "bot.localhost",
        "127.0.0.1",
        "127.9.8.7:7860",
        "[::1]",
        "[::1]:7860",
        "bot.example",
        "BOT.example:80",
        "192.0.2.7:7860",
        "[2001:db8::7]:7860",
        "friend.example",
        "me-bot.hf.space",
        "abc.gradio.live",
    ],
)
def test_the_servers_own_host_names_are_accepted(host: str) -> None:
    names = OwnNames(config.load(**SETTINGS))
    names.add("ABC.gradio.live")
    assert names.has(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "evil.example:7860",
        "localhost.evil.example",
        "notlocalhost",
        "127.0.0.1.evil.example",
        "127.0.0.1@evil.example",
        "evil.example@127.0.0.1",
        "evil.example/127.0.0.1",
        "evil.example#127.0.0.1",
        "127.0.0.1, evil.example",
        "sub.bot.example",
        "bot.example.evil.example",
        "0.0.0.0",
        "192.168.0.1",
        "[::ffff:192.0.2.1]",
        "[::1",
        "127.0.0.1:port",
        "me-bot.hf.space.evil.example",
    ],
)
def test_foreign_host_names_are_not_accepted(host: str) -> None:
    assert not OwnNames(config.load(**SETTINGS)).has(host)
