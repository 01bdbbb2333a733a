"""The tables of a language file. The comments of en.toml explain what each key is for."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from voicebot.languages.spoken import plain_text

LONGEST_PHRASE = 7
"""How many words a phrase that tells the end of a turn may have."""


def _entries(value: object) -> tuple[str, ...]:
    """The entries of a list that is written as text, such as "hello, good morning"."""
    if not isinstance(value, str):
        raise ValueError("must be text, its entries separated by commas")
    entries = [" ".join(entry.split()) for entry in value.split(",")]
    if not entries[-1]:
        entries.pop()  # after a last comma
    if "" in entries:
        raise ValueError("has an empty entry: there are two commas in a row")
    return tuple(entries)


def _words(value: object) -> frozenset[str]:
    entries = _entries(value)
    if wrong := next((entry for entry in entries if " " in entry), None):
        raise ValueError(f"may only have single words, not {wrong!r}")
    return frozenset(entries)


def _plain_words(value: object) -> frozenset[str]:
    return frozenset(plain_text(word) for word in _words(value))


def _plain_phrases(value: object) -> frozenset[str]:
    entries = _entries(value)
    if wrong := next((entry for entry in entries if len(entry.split()) > LONGEST_PHRASE), None):
        raise ValueError(f"may only have phrases of up to {LONGEST_PHRASE} words, not {wrong!r}")
    return frozenset(map(plain_text, entries))


Entries = Annotated[tuple[str, ...], BeforeValidator(_entries)]
WordSet = Annotated[frozenset[str], BeforeValidator(_words)]
PlainWords = Annotated[frozenset[str], BeforeValidator(_plain_words)]
PlainPhrases = Annotated[frozenset[str], BeforeValidator(_plain_phrases)]
"""In both the text is as `plain_text` returns it."""

Text = Annotated[str, Field(min_length=1)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Prompts(_Table):
    ask_again: Text
    apology: Text
    still_there: Text
    goodbye: Text
    no_answers_left: Text
    under_an_hour: Text
    hours: Text

    @field_validator("no_answers_left")
    @classmethod
    def _has_time(cls, value: str) -> str:
        return _with_placeholder(value, "time")

    @field_validator("hours")
    @classmethod
    def _has_hours(cls, value: str) -> str:
        return _with_placeholder(value, "hours")


def _with_placeholder(value: str, name: str) -> str:
    try:
        filled = value.format(**{name: "\0"})
    except (KeyError, IndexError, ValueError):
        filled = ""
    if "\0" not in filled:
        raise ValueError(f"must contain {{{name}}}, and no other braces")
    return value


class SpokenForms(_Table):
    code: Text
    dot: Text
    at: Text


class LexiconTable(_Table):
    """The phrases of a language by kind, as they are written in its file."""

    includes: tuple[str, ...] = ()
    sound: Entries = ()
    laughter: Entries = ()
    agreement: Entries = ()
    reaction: Entries = ()
    opener: Entries = ()
    degree: Entries = ()
    evaluation: Entries = ()
    theme: Entries = ()
    stance: Entries = ()
    closing: Entries = ()
    go_on: Entries = ()
    filler: Entries = ()
    stall: Entries = ()
    fragment: Entries = ()
    polite: Entries = ()
    around: Entries = ()
    no: Entries = ()
    denial: Entries = ()
    stop: Entries = ()
    question: Entries = ()
    request: Entries = ()
    pronoun: WordSet = frozenset()
    speaker: WordSet = frozenset()
    addressee: WordSet = frozenset()
    auxiliary: WordSet = frozenset()
    modal: WordSet = frozenset()
    negation: WordSet = frozenset()
    question_particle: WordSet = frozenset()
    article: WordSet = frozenset()
    conjunction: WordSet = frozenset()
    free_order: bool = False
    respelled: dict[str, str] = {}


class EndOfTurnWords(_Table):
    """Words that leave a turn open or close it. Phrases are compared with the end of the text."""

    verb_last: bool = False
    split_apostrophes: bool = False
    shortest_question: int = 3
    verb_needed: bool = False

    hesitations: PlainWords = frozenset()
    stalls: PlainPhrases = frozenset()
    openers: PlainWords = frozenset()
    answers: PlainPhrases = frozenset()
    polite: PlainPhrases = frozenset()
    adverbs: PlainWords = frozenset()
    open_endings: PlainPhrases = frozenset()
    closed_endings: PlainPhrases = frozenset()

    dangling: PlainWords = frozenset()
    particles: PlainWords = frozenset()
    separable: PlainWords = frozenset()
    stranders: PlainWords = frozenset()
    adjectival: PlainWords = frozenset()
    determiners: PlainWords = frozenset()
    subordinators: PlainWords = frozenset()
    subjects: PlainWords = frozenset()
    objects: PlainWords = frozenset()
    things: PlainWords = frozenset()
    demonstratives: PlainWords = frozenset()
    datives: PlainWords = frozenset()
    copulas: PlainWords = frozenset()
    auxiliaries: PlainWords = frozenset()
    transitive_verbs: PlainWords = frozenset()
    weak_endings: PlainWords = frozenset()

    question_words: PlainWords = frozenset()
    reasons: PlainWords = frozenset()
    agents: PlainWords = frozenset()
    in_situ: PlainWords = frozenset()
    question_verbs: PlainWords = frozenset()
    modals: PlainWords = frozenset()
    infinitive_suffixes: Entries = ()
    commands: PlainWords = frozenset()

    final_verbs: PlainWords = frozenset()
    final_suffixes: Entries = ()

    digits: PlainWords = frozenset()
    numbers: PlainWords = frozenset()
    operators: PlainWords = frozenset()
    number_cues: PlainWords = frozenset()

    @model_validator(mode="before")
    @classmethod
    def _split_at_apostrophes(cls, table: Any) -> Any:
        """Cuts the phrases as the text is cut, if an apostrophe separates two words."""
        if not isinstance(table, dict) or not table.get("split_apostrophes"):
            return table
        return {key: value.replace("'", "' ") if isinstance(value, str) else value for key, value in table.items()}

    @cached_property
    def pronouns(self) -> frozenset[str]:
        return self.subjects | self.objects | self.things


class SegmentationRules(_Table):
    """What tells whether a full stop ends a sentence: words without it, casefolded unless they are a single letter."""

    titles: WordSet = frozenset()
    introducing: WordSet = frozenset()
    numbered: WordSet = frozenset()
    abbreviations: WordSet = frozenset()
    dates: WordSet = frozenset()
    openers: WordSet = frozenset()
    always_capital: WordSet = frozenset()
    time_prepositions: WordSet = frozenset()
    time_zones: WordSet = frozenset()
    conjunctions: WordSet = frozenset()
    ordinals: bool = False

    @cached_property
    def never_final(self) -> frozenset[str]:
        """The abbreviations that never end a sentence, as `plain_text` returns them."""
        return frozenset(map(plain_text, self.titles | self.introducing))


class UsualVoices(_Table):
    elevenlabs: str = ""
    espeak: str = ""
    gtts: str = "com"
    gtts_accents: dict[str, str] = {}


class PlaceNames(_Table):
    ignored_names: Entries = ()
    names: dict[str, Entries] = {}


class LanguageFile(_Table):
    """A language file as it is written. None stands for a table that the file leaves out."""

    name: Text
    fillers: tuple[Text, ...] = ()
    check_sentence: str = ""
    user_labels: Entries = ()
    prompts: Prompts | None = None
    spoken_forms: SpokenForms | None = None
    lexicon: LexiconTable | None = None
    end_of_turn: EndOfTurnWords = EndOfTurnWords()
    segmentation: SegmentationRules | None = None
    voices: UsualVoices = UsualVoices()
    places: PlaceNames = PlaceNames()


class SharedFile(_Table):
    """shared.toml."""

    lexicon: LexiconTable
    segmentation: SegmentationRules
