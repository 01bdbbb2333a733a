"""The personas of the package, and those of operators, which are files."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest

import voicebot.agent.personas as personas_package
from voicebot.agent.agent import prompt_of
from voicebot.agent.personas import MAX_CHARS, MAX_FILE_CHARS, PersonaError, personas, system_prompt
from voicebot.engines.protocols import Style


def test_the_package_holds_two_personas_with_labels_of_their_own() -> None:
    assert [(name, persona.label) for name, persona in personas().items()] == [
        ("assistant", "Voice Bot, a friendly assistant"),
        ("sales", "Robin, who sells for Tidewell"),
    ]


@pytest.mark.parametrize(("name", "comments"), [("assistant", 1), ("sales", 2)])
def test_the_prompt_of_a_persona_is_its_file_without_the_comments_for_the_editor(name: str, comments: int) -> None:
    lines = (files(personas_package) / f"{name}.md").read_text("utf-8").splitlines()
    assert [line for line in lines if "<!--" in line] == lines[:comments], "the comments must come first, one per line"
    prompt = personas()[name].prompt
    assert prompt == "\n".join(lines[comments:])
    assert len(prompt.split()) > 100


@pytest.fixture
def pirate(tmp_path: Path) -> Path:
    return tmp_path / "pirate.md"


def test_a_file_adds_a_persona_with_the_files_name(pirate: Path) -> None:
    pirate.write_text("<!-- label: Captain Flint -->\n<!-- No gold. -->\nYou are a pirate.\n", "utf-8")
    known = personas(pirate)
    assert list(known) == ["assistant", "pirate", "sales"]
    assert (known["pirate"].label, known["pirate"].prompt) == ("Captain Flint", "You are a pirate.")
    assert prompt_of(Style(persona="pirate"), known) == "You are a pirate."


def test_a_file_without_a_label_is_called_like_the_file(tmp_path: Path) -> None:
    file = tmp_path / "ships_cook.md"
    file.write_bytes("\ufeffYou are a cook.".encode())
    assert personas(file)["ships_cook"].label == "Ships cook"
    assert personas(file)["ships_cook"].prompt == "You are a cook.", "the byte order mark of Windows is not part of it"


def test_a_file_replaces_the_persona_of_the_package_that_has_its_name(tmp_path: Path) -> None:
    file = tmp_path / "sales.md"
    file.write_text("You sell ships.", "utf-8")
    assert personas(file)["sales"].prompt == "You sell ships."
    assert list(personas(file)) == list(personas())
    assert "You are Robin" in personas()["sales"].prompt


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "the file has no text beside comments"),
        (b"<!-- label: Captain Flint -->\n \n", "the file has no text beside comments"),
        (b"<!-- label: Captain Flint --\nYou are a pirate.", "a comment <!-- does not end with -->"),
        (b"Ah\xff", "the file is not text in UTF-8"),
        (b"a" * (MAX_CHARS + 1), "the text has 12001 characters; 12000 are allowed"),
    ],
)
def test_a_file_that_is_no_persona_is_refused_by_its_path(content: bytes, complaint: str, pirate: Path) -> None:
    pirate.write_bytes(content)
    with pytest.raises(PersonaError) as raised:
        personas(pirate)
    assert str(raised.value) == f"{pirate}: {complaint}"


def test_a_file_that_is_long_with_its_comments_is_refused(pirate: Path) -> None:
    pirate.write_text(f"<!-- {'x' * MAX_FILE_CHARS} -->\nYou are a pirate.", "utf-8")
    with pytest.raises(PersonaError, match=r"pirate\.md: the file has more than 50000 characters"):
        personas(pirate)


def test_a_file_that_cannot_be_read_is_refused_by_its_path(pirate: Path) -> None:
    with pytest.raises(PersonaError, match=r"pirate\.md: No such file or directory"):
        personas(pirate)
    pirate.mkdir()
    with pytest.raises(PersonaError, match=r"pirate\.md: Is a directory"):
        personas(pirate)


@pytest.mark.parametrize("name", ["my pirate.md", ".md", "ahoy!"])
def test_a_file_whose_name_cannot_be_chosen_is_refused(name: str, tmp_path: Path) -> None:
    file = tmp_path / name
    file.write_text("You are a pirate.", "utf-8")
    with pytest.raises(PersonaError, match="the name of the file must be letters, digits, - and _"):
        personas(file)


def test_the_prompt_names_the_users_language_unless_it_is_english() -> None:
    assert system_prompt("Be brief.", "en") == "Be brief."
    assert system_prompt("Be brief.", "es") == (
        "Be brief.\n\nThe user speaks Spanish. Answer in Spanish, unless you are asked for another language."
    )
    assert "the language with the code 'xx'" in system_prompt("Be brief.", "xx")
