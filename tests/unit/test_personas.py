"""The personas that the package holds."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

import voicebot.personas as personas_package
from voicebot.personas import persona, personas, system_prompt
from voicebot.personas.languages import LANGUAGE_NAMES


def test_the_assistant_is_there_and_speaks() -> None:
    assert "assistant" in personas()
    assert "spoken" in persona("assistant")


@pytest.mark.parametrize("name", ["nobody", "", "../agent", "__init__"])
def test_what_is_not_there_is_named_with_what_is(name: str) -> None:
    with pytest.raises(ValueError, match=r"there is no persona .* only .*assistant"):
        persona(name)


def test_the_sales_agent_is_honest_and_has_something_to_sell() -> None:
    text = persona("sales")
    assert "spoken" in text
    assert "honest" in text
    assert "What you sell:\n" in text
    assert text.startswith("You are"), "what is meant for the editor is not told to the model"


def test_who_edits_a_persona_is_told_how() -> None:
    assert "<!-- To sell something of your own" in (files(personas_package) / "sales.md").read_text("utf-8")


def test_the_prompt_names_the_users_language() -> None:
    assert system_prompt("Be brief.", "en") == "Be brief."
    assert system_prompt("Be brief.", "es") == (
        "Be brief.\n\nThe user speaks Spanish. Answer in Spanish, unless you are asked for another language."
    )
    assert "the language with the code 'xx'" in system_prompt("Be brief.", "xx")


def test_languages_have_two_letters_and_a_name() -> None:
    assert all(re.fullmatch("[a-z]{2}", code) and name.istitle() for code, name in LANGUAGE_NAMES.items())
    assert len(set(LANGUAGE_NAMES.values())) == len(LANGUAGE_NAMES)
