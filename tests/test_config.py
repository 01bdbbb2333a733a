"""Settings: what is wrong is said by name, and .env.example tells all of them as they are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from voicebot import build, config
from voicebot.config import Settings, SettingsError

EXAMPLE = Path(__file__).parents[1] / ".env.example"


def example() -> dict[str, str]:
    lines = EXAMPLE.read_text("utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if re.match(r"[A-Z_]+=", line))


def test_the_example_names_exactly_the_settings() -> None:
    assert sorted(example()) == sorted(name.upper() for name in Settings.model_fields)


def test_the_example_shows_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    default = config.load()
    for name, value in example().items():
        monkeypatch.setenv(name, value)
    assert config.load() == default


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("STT_ENGINE", "whisper", "'auto' or 'pocketsphinx'"),
        ("LLM_ENGINE", "", "'auto' or 'offline'"),
        ("VAD_STOP_MS", "soon", "valid integer"),
        ("VAD_STOP_MS", "-5", "greater than or equal to 64"),
        ("VAD_THRESHOLD", "nan", "finite number"),
        ("LANGUAGE", "english", "pattern"),
        ("TURN_URL", "http://example.org", "must begin with turn: or turns:"),
        ("STUN_URL", "example.org", "must begin with stun: or stuns:"),
        ("MAX_SESSIONS", "0", "greater than or equal to 1"),
        ("GRADIO_SERVER_PORT", "99999", "less than or equal to 65535"),
        ("LOG_LEVEL", "LOUD", "'DEBUG', 'INFO'"),
        ("INTERRUPTED_HISTORY", "forget", "'heard' or 'merge'"),
    ],
)
def test_a_bad_setting_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str, complaint: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as raised:
        config.load()
    (line,) = str(raised.value).splitlines()
    assert line.startswith(f"{name}: ")
    assert complaint in line


def test_all_that_is_wrong_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAD_STOP_MS", "x")
    monkeypatch.setenv("LOG_LEVEL", "x")
    with pytest.raises(SettingsError) as raised:
        config.load()
    assert len(str(raised.value).splitlines()) == 2


def test_settings_are_forgiving_in_what_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"STT_ENGINE": " Auto ", "LOG_LEVEL": "debug", "GROQ_API_KEY": "  ", "LANGUAGE": "EN"}.items():
        monkeypatch.setenv(name, value)
    settings = config.load()
    assert (settings.stt_engine, settings.log_level, settings.language) == ("auto", "DEBUG", "en")
    assert settings.groq_api_key is None


def test_secrets_do_not_show() -> None:
    settings = config.load(groq_api_key=SecretStr("gsk_hidden"), turn_credential=SecretStr("hush"))
    assert "gsk_hidden" not in f"{settings} {settings!r}"
    assert "hush" not in repr(settings)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, []),
        ({"stun_url": "stun:a:1"}, [{"urls": "stun:a:1"}]),
        (
            {"turn_url": "turn:b:2", "turn_username": "u", "turn_credential": SecretStr("c")},
            [{"urls": "turn:b:2", "username": "u", "credential": "c"}],
        ),
    ],
)
def test_ice_servers(given: dict[str, Any], expected: list[dict[str, str]]) -> None:
    assert config.load(**given).ice_servers == expected


def test_an_engine_that_lacks_the_language_stops_the_start() -> None:
    with pytest.raises(SettingsError, match=r"LANGUAGE: pocketsphinx \(STT_ENGINE\) does not know 'fr'; it knows en"):
        build.build(config.load(language="fr"))


def test_an_unknown_persona_stops_the_start() -> None:
    with pytest.raises(SettingsError, match=r"PERSONA: there is no 'pirate'; there is assistant"):
        build.build(config.load(persona="pirate"))
