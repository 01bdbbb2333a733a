"""Reads the language files when the program starts, and finds a language by its code."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from voicebot.languages.lexicon import Lexicon
from voicebot.languages.names import OTHER_NAMES
from voicebot.languages.schema import (
    ConfirmationWords,
    EndOfTurnWords,
    LanguageFile,
    PlaceNames,
    Prompts,
    QuestionWords,
    SegmentationRules,
    SharedFile,
    SpokenForms,
    UsualVoices,
)

FOLDER: Traversable = files(__package__)

FALLBACK = "en"
"""The language whose lexicon, prompts, spoken forms and words of confirmation are used where a file has none."""

_CODE = re.compile(r"[a-z]{2}")
_SHARED = "shared"

FileT = TypeVar("FileT", bound=BaseModel)


class LanguageFileError(ValueError):
    """A language file can't be used. The text names the file and the key."""


@dataclass(frozen=True, slots=True)
class Language:
    """A language as its file has it, with the usual values for what the file leaves out."""

    code: str
    """ISO 639-1; empty for all languages that have no file."""
    name: str
    fillers: tuple[str, ...]
    check_sentence: str
    user_labels: tuple[str, ...]
    prompts: Prompts
    spoken_forms: SpokenForms
    lexicon: Lexicon
    end_of_turn: EndOfTurnWords
    questions: QuestionWords
    confirmation: ConfirmationWords
    segmentation: SegmentationRules
    voices: UsualVoices
    places: PlaceNames


@dataclass(frozen=True, slots=True)
class Languages:
    """The languages that have a file, by code, and what is used for all others."""

    known: Mapping[str, Language]
    other: Language

    def of(self, code: str) -> Language:
        """Returns the language of a code such as "en" or "de-AT"."""
        if (found := self.known.get(code)) is not None:
            return found
        return self.known.get(code.replace("_", "-").partition("-")[0].casefold(), self.other)


def load_languages(folder: Traversable) -> Languages:
    """Reads all files `*.toml` of a folder. Raises LanguageFileError, naming file and key, if one can't be used."""
    texts = {
        file.name.removesuffix(".toml"): file.read_text("utf-8")
        for file in sorted(folder.iterdir(), key=lambda file: file.name)
        if file.name.endswith(".toml")
    }
    for needed in (_SHARED, FALLBACK):
        if needed not in texts:
            raise LanguageFileError(f"{needed}.toml: is missing")
    shared = _parsed(_SHARED, texts.pop(_SHARED), SharedFile)
    parsed = {code: _parsed(code, text, LanguageFile) for code, text in texts.items()}
    for code in parsed:
        if not _CODE.fullmatch(code):
            raise LanguageFileError(f"{code}.toml: the name must be a two-letter code (ISO 639-1), such as de.toml")
    fallback = parsed[FALLBACK]
    for table in ("lexicon", "prompts", "spoken_forms", "confirmation"):
        if getattr(fallback, table) is None:
            raise LanguageFileError(f"{FALLBACK}.toml: {table}: is missing, and other languages fall back to it")
    lexicons = {code: _lexicon(code, parsed, shared) for code, file in parsed.items() if file.lexicon is not None}

    def language(code: str, file: LanguageFile) -> Language:
        prompts, spoken_forms = file.prompts or fallback.prompts, file.spoken_forms or fallback.spoken_forms
        confirmation = file.confirmation or fallback.confirmation
        assert prompts is not None
        assert spoken_forms is not None
        assert confirmation is not None
        return Language(
            code=code,
            name=file.name,
            fillers=file.fillers,
            check_sentence=file.check_sentence,
            user_labels=file.user_labels,
            prompts=prompts,
            spoken_forms=spoken_forms,
            lexicon=lexicons.get(code, lexicons[FALLBACK]),
            end_of_turn=file.end_of_turn,
            questions=file.questions,
            confirmation=confirmation,
            segmentation=file.segmentation or shared.segmentation,
            voices=file.voices,
            places=file.places,
        )

    known = {code: language(code, file) for code, file in parsed.items()}
    return Languages(known, other=language("", LanguageFile(name="another language")))


@cache
def languages() -> Languages:
    """Returns the languages of this package's folder."""
    return load_languages(FOLDER)


def language_of(code: str) -> Language:
    """Returns the language of a code such as "en" or "de-AT"; what all languages share if it has no file."""
    return languages().of(code)


def language_names() -> dict[str, str]:
    """Returns the English names, by code, of the languages that have a file and of those that big models speak."""
    return {**OTHER_NAMES, **{code: language.name for code, language in languages().known.items()}}


def user_labels() -> tuple[str, ...]:
    """Returns how models name the user at the start of a line of an invented dialogue, in all languages."""
    return tuple(label for language in languages().known.values() for label in language.user_labels)


def _parsed(stem: str, text: str, kind: type[FileT]) -> FileT:
    try:
        return kind.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise LanguageFileError(f"{stem}.toml: {error}") from error
    except ValidationError as error:
        problems = [f"{stem}.toml: {'.'.join(map(str, each['loc']))}: {_problem(each)}" for each in error.errors()]
        raise LanguageFileError("\n".join(problems)) from error


def _problem(error: Mapping[str, object]) -> str:
    match error["type"]:
        case "extra_forbidden":
            return "is no key of a language file"
        case "missing":
            return "is missing"
    return str(error["msg"]).removeprefix("Value error, ")


def _lexicon(code: str, parsed: Mapping[str, LanguageFile], shared: SharedFile) -> Lexicon:
    """Returns the lexicon of a language: the shared one, those it includes, and its own."""
    own = parsed[code].lexicon
    assert own is not None
    included = [parsed[other].lexicon if other in parsed else None for other in own.includes]
    if None in included:
        wrong = own.includes[included.index(None)]
        raise LanguageFileError(f"{code}.toml: lexicon.includes: there is no lexicon of {wrong!r}")
    try:
        return Lexicon(shared.lexicon, *filter(None, included), own)
    except ValueError as error:
        raise LanguageFileError(f"{code}.toml: {error}") from error


languages()  # All files are read at the start, so that no conversation waits for it.
