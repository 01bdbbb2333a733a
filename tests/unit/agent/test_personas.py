"""The personas that the package contains."""

from __future__ import annotations

from importlib.resources import files

import pytest

import voicebot.agent.personas as personas_package
from voicebot.agent.personas import label, persona, personas, system_prompt


def test_the_package_holds_two_personas_with_labels_of_their_own() -> None:
    assert [(name, label(name)) for name in personas()] == [
        ("assistant", "Voice Bot, a friendly assistant"),
        ("sales", "Robin, who sells for Tidewell"),
    ]


@pytest.mark.parametrize(("name", "comments"), [("assistant", 1), ("sales", 2)])
def test_the_prompt_of_a_persona_is_its_file_without_the_comments_for_the_editor(name: str, comments: int) -> None:
    lines = (files(personas_package) / f"{name}.md").read_text("utf-8").splitlines()
    assert [line for line in lines if "<!--" in line] == lines[:comments], "the comments must come first, one per line"
    assert persona(name) == "\n".join(lines[comments:])
    assert len(persona(name).split()) > 100


@pytest.mark.parametrize("name", ["nobody", "", "../agent", "__init__"])
def test_an_unknown_persona_raises_an_error_that_lists_the_known_ones(name: str) -> None:
    with pytest.raises(ValueError, match=r"there is no persona .* only .*assistant"):
        persona(name)


def test_the_prompt_names_the_users_language_unless_it_is_english() -> None:
    assert system_prompt("Be brief.", "en") == "Be brief."
    assert system_prompt("Be brief.", "es") == (
        "Be brief.\n\nThe user speaks Spanish. Answer in Spanish, unless you are asked for another language."
    )
    assert "the language with the code 'xx'" in system_prompt("Be brief.", "xx")
