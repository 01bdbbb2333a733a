"""The personas that the package holds."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

import voicebot.personas as personas_package
from voicebot.personas import persona, personas, system_prompt
from voicebot.personas.languages import LANGUAGE_NAMES


def test_the_assistant_persona_exists_and_its_prompt_says_that_answers_are_spoken() -> None:
    assert "assistant" in personas()
    assert "spoken" in persona("assistant")


@pytest.mark.parametrize("name", ["nobody", "", "../agent", "__init__"])
def test_an_unknown_persona_raises_an_error_that_lists_the_known_ones(name: str) -> None:
    with pytest.raises(ValueError, match=r"there is no persona .* only .*assistant"):
        persona(name)


def test_the_sales_prompt_asks_for_honesty_names_the_goods_and_omits_editor_comments() -> None:
    text = persona("sales")
    assert "spoken" in text
    assert "honest" in text
    assert "What you sell:\n" in text
    assert text.startswith("You are"), "what is meant for the editor is not told to the model"


def test_the_sales_persona_file_tells_its_editor_how_to_change_it() -> None:
    assert "<!-- To sell something of your own" in (files(personas_package) / "sales.md").read_text("utf-8")


def test_the_prompt_names_the_users_language_unless_it_is_english() -> None:
    assert system_prompt("Be brief.", "en") == "Be brief."
    assert system_prompt("Be brief.", "es") == (
        "Be brief.\n\nThe user speaks Spanish. Answer in Spanish, unless you are asked for another language."
    )
    assert "the language with the code 'xx'" in system_prompt("Be brief.", "xx")


def test_each_language_has_a_two_letter_code_and_a_unique_name() -> None:
    assert all(re.fullmatch("[a-z]{2}", code) and name.istitle() for code, name in LANGUAGE_NAMES.items())
    assert len(set(LANGUAGE_NAMES.values())) == len(LANGUAGE_NAMES)
