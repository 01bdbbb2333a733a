"""The language files: their contents, and how a mistake in one is reported."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from tests.support.paths import PROJECT
from voicebot.languages.lexicon import PhraseKind
from voicebot.languages.loader import LanguageFileError, language_names, language_of, languages, load_languages
from voicebot.languages.schema import (
    ConfirmationWords,
    EndOfTurnWords,
    LanguageFile,
    LexiconTable,
    PlaceNames,
    Prompts,
    QuestionWords,
    SegmentationRules,
    SpokenForms,
    UsualVoices,
)

PACKAGE = PROJECT / "voicebot"
FOLDER = PACKAGE / "languages"
COMPLETE = ("en", "es", "hi", "de", "fr")
"""The languages whose files have all tables. The others have at least a name."""


def test_the_complete_languages_have_all_that_a_conversation_needs() -> None:
    for code in COMPLETE:
        language = language_of(code)
        assert language.code == code
        assert len(language.fillers) >= 2
        assert language.check_sentence
        assert language.user_labels
        assert language.end_of_turn.hesitations
        assert language.segmentation.titles
    for table in ("prompts", "spoken_forms", "lexicon", "confirmation", "segmentation"):
        assert len({id(getattr(language_of(code), table)) for code in COMPLETE}) == len(COMPLETE), table


@pytest.mark.parametrize(
    ("table", "model"),
    [
        ((), LanguageFile),
        (("prompts",), Prompts),
        (("spoken_forms",), SpokenForms),
        (("lexicon",), LexiconTable),
        (("end_of_turn",), EndOfTurnWords),
        (("questions",), QuestionWords),
        (("confirmation",), ConfirmationWords),
        (("segmentation",), SegmentationRules),
        (("voices",), UsualVoices),
        (("places",), PlaceNames),
    ],
)
def test_the_english_file_shows_every_key_to_translators(table: tuple[str, ...], model: type[BaseModel]) -> None:
    found: Any = tomllib.loads((FOLDER / "en.toml").read_text("utf-8"))
    for key in table:
        found = found[key]
    assert set(found) == set(model.model_fields)


@pytest.mark.parametrize("code", ["de-AT", "de_AT", "DE"])
def test_a_region_or_capitals_in_a_code_make_no_difference(code: str) -> None:
    assert language_of(code) is language_of("de")


@pytest.mark.parametrize("code", ["it", "", "xx", "english"])
def test_a_language_without_a_file_gets_english_phrases_and_no_fillers(code: str) -> None:
    language, english = language_of(code), language_of("en")
    assert language.lexicon is english.lexicon
    assert language.prompts is english.prompts
    assert language.confirmation is english.confirmation
    assert language.fillers == ()
    assert not language.end_of_turn.dangling


def test_languages_with_and_without_a_file_have_a_two_letter_code_and_a_unique_english_name() -> None:
    names = language_names()
    assert names["de"] == "German"
    assert names["it"] == "Italian"
    assert all(re.fullmatch("[a-z]{2}", code) and name.istitle() for code, name in names.items())
    assert len(set(names.values())) == len(names)


def test_hindi_knows_the_english_phrases_too() -> None:
    lexicon = language_of("hi").lexicon
    for words in (("of", "course"), ("bilkul",)):
        assert PhraseKind.AGREEMENT in lexicon.kinds("".join(map(lexicon.key, words)))


def tables_by_language() -> Iterator[str]:
    """Yields the dictionaries in the package whose keys are codes of two or more complete languages."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Dict):
                keys = {key.value for key in node.keys if isinstance(key, ast.Constant)}
                if len(keys & set(COMPLETE)) >= 2:
                    yield f"{path.relative_to(PROJECT)}:{node.lineno}"


def test_no_module_has_a_table_by_language_since_a_language_is_one_file() -> None:
    assert list(tables_by_language()) == []


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Creates a folder with two language files: English and the shared one."""
    for name in ("en", "shared"):
        (tmp_path / f"{name}.toml").write_bytes((FOLDER / f"{name}.toml").read_bytes())
    return tmp_path


def test_only_a_name_is_needed(folder: Path) -> None:
    (folder / "eo.toml").write_text('name = "Esperanto"\n', "utf-8")
    loaded = load_languages(folder)
    assert loaded.of("eo").name == "Esperanto"
    assert loaded.of("eo").prompts == loaded.of("en").prompts


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "eo.toml: name: is missing"),
        ("name = 3", "eo.toml: name: Input should be a valid string"),
        ("name = E", "eo.toml: Invalid value (at line 1, column 8)"),
        ('name = "E"\nfiler = ["Momenton."]', "eo.toml: filer: is no key of a language file"),
        ('name = "E"\n[lexikon]', "eo.toml: lexikon: is no key of a language file"),
        ('name = "E"\n[prompts]\nask_again = "Ĉu?"', "eo.toml: prompts.apology: is missing"),
        ('name = "E"\n[lexicon]\nstop = ["haltu"]', "eo.toml: lexicon.stop: must be text, its entries separated by"),
        ('name = "E"\n[lexicon]\nstop = "haltu,, ne"', "eo.toml: lexicon.stop: has an empty entry: there are two"),
        ('name = "E"\n[lexicon]\nstop = "haltu, !"', "eo.toml: lexicon.stop: '!' must have 1 to 60 letters, and has 0"),
        ('name = "E"\n[lexicon]\nincludes = ["io"]', "eo.toml: lexicon.includes: there is no lexicon of 'io'"),
        ('name = "E"\n[end_of_turn]\ndangling = "la, de la"', "eo.toml: end_of_turn.dangling: may only have single"),
        ('name = "E"\n[end_of_turn]\nstalls = "a b c d e f g h"', "eo.toml: end_of_turn.stalls: may only have phrases"),
        ('name = "E"\n[end_of_turn]\nverb_last = "ne"', "eo.toml: end_of_turn.verb_last: Input should be a valid"),
        ('name = "E"\n[questions.digits]\nten = "numero"', "eo.toml: questions.digits: may only have keys such as 4"),
        ('name = "E"\n[confirmation]\nbeside = "mi petas"', "eo.toml: confirmation.yes: is missing"),
        (
            'name = "E"\n[confirmation]\nyes = "jes, !"',
            "eo.toml: confirmation.yes: may only have phrases with a letter",
        ),
        ('name = "E"\n[voices]\npiper = "x"', "eo.toml: voices.piper: is no key of a language file"),
    ],
)
def test_a_mistake_is_reported_with_the_file_and_the_key(folder: Path, text: str, problem: str) -> None:
    (folder / "eo.toml").write_text(text, "utf-8")
    with pytest.raises(LanguageFileError) as raised:
        load_languages(folder)
    assert problem in str(raised.value)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("back in {time}", "back soon", "en.toml: prompts.no_answers_left: must contain {time}, and no other braces"),
        ("about {hours} hours", "{hours} of {days}", "en.toml: prompts.hours: must contain {hours}, and no other"),
        ("[spoken_forms]", "[spoken]", "en.toml: spoken: is no key of a language file"),
    ],
)
def test_a_mistake_in_the_english_file_is_reported_too(folder: Path, old: str, new: str, problem: str) -> None:
    text = (folder / "en.toml").read_text("utf-8")
    assert old in text
    (folder / "en.toml").write_text(text.replace(old, new), "utf-8")
    with pytest.raises(LanguageFileError) as raised:
        load_languages(folder)
    assert problem in str(raised.value)


@pytest.mark.parametrize("name", ["esperanto", "EO", "e"])
def test_a_file_whose_name_is_no_code_is_reported(folder: Path, name: str) -> None:
    (folder / f"{name}.toml").write_text('name = "Esperanto"\n', "utf-8")
    with pytest.raises(LanguageFileError, match=rf"{name}\.toml: the name must be a two-letter code"):
        load_languages(folder)


@pytest.mark.parametrize("name", ["en", "shared"])
def test_a_folder_without_a_file_that_others_need_is_reported(folder: Path, name: str) -> None:
    (folder / f"{name}.toml").unlink()
    with pytest.raises(LanguageFileError, match=rf"{name}\.toml: is missing"):
        load_languages(folder)


def test_the_files_of_the_package_are_read_once() -> None:
    assert languages() is languages()
