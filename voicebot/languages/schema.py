"""The tables of a language file. The comments of en.toml explain what each key is for."""

from __future__ import annotations

import re
from functools import cached_property
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from voicebot.languages.spoken import plain_text, separate_words, spoken_words

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


def _separate_phrases(value: object) -> frozenset[str]:
    return frozenset(map(separate_words, _entries(value)))


def _phrases_in_words(value: object) -> frozenset[tuple[str, ...]]:
    phrases = {entry: spoken_words(entry) for entry in _entries(value)}
    if wrong := next((entry for entry, words in phrases.items() if not words), None):
        raise ValueError(f"may only have phrases with a letter, not {wrong!r}")
    return frozenset(phrases.values())


Entries = Annotated[tuple[str, ...], BeforeValidator(_entries)]
WordSet = Annotated[frozenset[str], BeforeValidator(_words)]
PlainWords = Annotated[frozenset[str], BeforeValidator(_plain_words)]
PlainPhrases = Annotated[frozenset[str], BeforeValidator(_plain_phrases)]
"""In both the text is as `plain_text` returns it."""
SeparatePhrases = Annotated[frozenset[str], BeforeValidator(_separate_phrases)]
"""The text is as `separate_words` returns it: a phrase is in a sentence if the one text is in the other."""
PhrasesInWords = Annotated[frozenset[tuple[str, ...]], BeforeValidator(_phrases_in_words)]
"""Each phrase is a tuple of words as `spoken_words` returns them."""

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
    correction: Entries = ()
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
    verb_last_clauses: bool = False
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
    repairs: PlainPhrases = frozenset()

    dangling: PlainWords = frozenset()
    particles: PlainWords = frozenset()
    separable: PlainWords = frozenset()
    stranders: PlainWords = frozenset()
    adjectival: PlainWords = frozenset()
    inverts: bool = False
    negations: PlainWords = frozenset()
    determiners: PlainWords = frozenset()
    subordinators: PlainWords = frozenset()
    clause_openers: PlainWords = frozenset()
    conjunctions: PlainWords = frozenset()
    main_clauses: PlainWords = frozenset()
    statements: PlainWords = frozenset()
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
    adjuncts: PlainWords = frozenset()
    agents: PlainWords = frozenset()
    in_situ: PlainWords = frozenset()
    question_verbs: PlainWords = frozenset()
    modals: PlainWords = frozenset()
    infinitive_suffixes: Entries = ()
    commands: PlainWords = frozenset()
    split_commands: PlainWords = frozenset()

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


class QuestionWords(_Table):
    """Words that tell which answer a question of the bot asks for."""

    question_words: SeparatePhrases = frozenset()
    yes_no_openers: SeparatePhrases = frozenset()
    requests: SeparatePhrases = frozenset()
    choices: SeparatePhrases = frozenset()
    open: SeparatePhrases = frozenset()
    spelling: SeparatePhrases = frozenset()
    addresses: SeparatePhrases = frozenset()
    digit_nouns: SeparatePhrases = frozenset()
    digits: dict[str, SeparatePhrases] = {}

    @field_validator("digits")
    @classmethod
    def _are_ranges(cls, value: dict[str, frozenset[str]]) -> dict[str, frozenset[str]]:
        for key in value:
            if not re.fullmatch(r"[1-9]\d?(-[1-9]\d?)?", key):
                raise ValueError(f"may only have keys such as 4 or 7-11, not {key!r}")
        return value

    @cached_property
    def digit_counts(self) -> tuple[tuple[int, int, frozenset[str]], ...]:
        """For each line of `digits` the least and the most digits, and the phrases that ask for them."""
        bounds = ((key.partition("-")[0], key.rpartition("-")[2], phrases) for key, phrases in self.digits.items())
        return tuple((int(least), int(most), phrases) for least, most, phrases in bounds)


class ConfirmationWords(_Table):
    """Words that answer the question whether a tool may be called."""

    buttons: tuple[str, str] = ("Yes.", "No.")
    yes: PhrasesInWords
    beside: PhrasesInWords = frozenset()
    doubtful: PhrasesInWords = frozenset()


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
    questions: QuestionWords = QuestionWords()
    confirmation: ConfirmationWords | None = None
    segmentation: SegmentationRules | None = None
    voices: UsualVoices = UsualVoices()
    places: PlaceNames = PlaceNames()


class SharedFile(_Table):
    """shared.toml."""

    lexicon: LexiconTable
    segmentation: SegmentationRules
