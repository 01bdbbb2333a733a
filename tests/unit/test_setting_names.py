"""Misspelt settings are reported with the likely right name. Variables of other programs are ignored."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.setting_name_cases import MISSPELT, OTHERS
from voicebot.settings.config import SETTINGS, Settings
from voicebot.settings.names import likely_setting, misspelt


@pytest.mark.parametrize(("name", "meant"), MISSPELT.items())
def test_a_misspelt_setting_is_matched_to_the_one_meant(name: str, meant: str) -> None:
    assert likely_setting(name) == meant


def test_variables_of_other_programs_are_not_taken_for_settings() -> None:
    assert {name: meant for name in OTHERS if (meant := likely_setting(name))} == {}


def test_a_correct_setting_name_in_any_case_gives_no_suggestion() -> None:
    names = [change(name) for name in SETTINGS for change in (str.lower, str.upper, str.title)]
    assert {name: meant for name in names if (meant := likely_setting(name))} == {}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Makes a temporary folder the working directory, in which `.env` is read."""
    monkeypatch.setitem(Settings.model_config, "env_file", ".env")  # other tests read no file
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_each_misspelt_name_is_reported_with_its_place_and_without_its_value(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / ".env").write_text(
        "GROQ_API_KY=gsk_hush\nLOG_LEVEL=INFO\nPOSTGRES_PASSWORD=hush\ntts_voice=hush\n", "utf-8"
    )
    monkeypatch.setenv("MAX_SESSION", "hush")
    monkeypatch.setenv("TTS_HOME", "hush")  # a variable of another program
    assert misspelt() == [
        "MAX_SESSION in the environment is not a setting; did you mean MAX_SESSIONS?",
        "GROQ_API_KY in .env is not a setting; did you mean GROQ_API_KEY?",
        "TTS_VOICE in .env is not a setting; .env.example lists all settings",
    ]


def test_an_api_key_in_place_of_a_setting_name_is_not_reported(folder: Path) -> None:
    (folder / ".env").write_text("STT_gsk:hush\nGROQ_API_KEY:gsk_hush\nGROQ_API_KEY gsk_hush\n", "utf-8")
    assert misspelt() == []


def test_correct_names_and_a_missing_env_file_give_no_message(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert misspelt() == []
    (folder / ".env").write_text("groq_api_key=gsk_hush\n", "utf-8")
    monkeypatch.setenv("Max_Sessions", "3")
    assert misspelt() == []
