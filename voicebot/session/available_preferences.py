"""What the sessions of this server may choose: only what its engines can do."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any, cast

from voicebot.agent import personas
from voicebot.dialogue.preferences import InterruptedHistory, Preferences, Sensitivity
from voicebot.engines.fallback_group import FallbackGroup
from voicebot.engines.protocols import Engine, Engines, HasVoices
from voicebot.languages.names import LANGUAGE_NAMES

STAGES = ("stt", "llm", "tts")

SENSITIVITIES = {
    Sensitivity.HARD: ("Hard to interrupt", "Speak up, and say three words or more, or “stop”. For noisy rooms."),
    Sensitivity.BALANCED: ("Balanced", "What is meant for the bot interrupts it; “uh-huh” and noise do not."),
    Sensitivity.EASY: ("Easy to interrupt", "Soft speech counts, and two words are enough. For quiet rooms."),
}

HISTORIES = {
    InterruptedHistory.HEARD: ("The words you heard", "It knows how far it had come."),
    InterruptedHistory.MERGE: ("Nothing of it", "As if it had never begun; your new words join your last ones."),
}


class PreferenceError(ValueError):
    """A choice that can't be had. The text names the field and what there is."""


class AvailablePreferences:
    """What can be chosen over `engines`, which are started. What is not chosen stays as `default` has it."""

    def __init__(self, engines: Engines, default: Preferences) -> None:
        self.default = default
        self._stages: dict[str, Engine] = {"stt": engines.stt, "llm": engines.agent, "tts": engines.tts}

    def chosen(self, changes: Mapping[str, Any], before: Preferences) -> Preferences:
        """The preferences with these changes. What no longer goes with them is the server's to choose again.

        Raises PreferenceError for what there is not.
        """
        preferences = replace(before, **changes)
        self._must_be("persona", preferences.persona, self.personas)
        self._must_be("language", preferences.language, self.languages)
        for stage in STAGES:
            known = ["", *(engine.name for engine in self._knowing(stage, preferences.language))]
            if getattr(preferences, stage) not in known and stage not in changes:
                preferences = _without(preferences, stage)
            self._must_be(stage, getattr(preferences, stage), known)
        voices = ["", *self._voices(preferences.tts, preferences.language)]
        if preferences.voice not in voices and "voice" not in changes:
            preferences = _without(preferences, "voice")
        self._must_be("voice", preferences.voice, voices)
        return preferences

    def view(self) -> dict[str, Any]:
        """All of it for people to choose from, as JSON values."""
        languages = self.languages
        return {
            "default": {name: getattr(self.default, name) for name in self.default.__dataclass_fields__},
            "persona": [_option(name, personas.label(name)) for name in self.personas],
            "language": [_option(code, LANGUAGE_NAMES.get(code, code)) for code in languages],
            "sensitivity": [_option(level, *words) for level, words in SENSITIVITIES.items()],
            "interrupted_history": [_option(rule, *words) for rule, words in HISTORIES.items()],
            "engines": {
                stage: [self._engine(engine, languages) for engine in self._engines(stage)] for stage in STAGES
            },
        }

    @property
    def personas(self) -> tuple[str, ...]:
        """Those there are, if some model heeds them."""
        heeded = any(_follows_persona(agent) for agent in self._engines("llm"))
        return personas.personas() if heeded else (self.default.persona,)

    @property
    def languages(self) -> tuple[str, ...]:
        """Those that some engine of each stage knows, by their English names."""
        known = [frozenset().union(*(each.languages for each in self._engines(stage))) for stage in STAGES]
        every = frozenset.intersection(*known) & LANGUAGE_NAMES.keys() | {self.default.language}
        return tuple(sorted(every, key=lambda code: LANGUAGE_NAMES.get(code, code)))

    def _engines(self, stage: str) -> tuple[Engine, ...]:
        engine = self._stages[stage]
        return cast("tuple[Engine, ...]", engine.engines) if isinstance(engine, FallbackGroup) else (engine,)

    def _knowing(self, stage: str, language: str) -> Iterator[Engine]:
        return (engine for engine in self._engines(stage) if language in engine.languages)

    def _voices(self, name: str, language: str) -> Mapping[str, str]:
        """Those of the engine that would be tried first."""
        able = [engine for engine in self._knowing("tts", language) if name in ("", engine.name)]
        return able[0].voices(language) if able and isinstance(able[0], HasVoices) else {}

    def _engine(self, engine: Engine, languages: Collection[str]) -> dict[str, Any]:
        known = [code for code in languages if code in engine.languages]
        voices = {code: engine.voices(code) for code in known} if isinstance(engine, HasVoices) else {}
        return {
            "name": engine.name,
            "languages": known,
            "voices": {code: [_option(*voice) for voice in each.items()] for code, each in voices.items() if each},
            "follows_persona": _follows_persona(engine),
        }

    @staticmethod
    def _must_be(field: str, value: str, allowed: Collection[str]) -> None:
        if value not in allowed:
            raise PreferenceError(f"{field}: there is no {value!r} here; there is {', '.join(map(repr, allowed))}")


def _without(preferences: Preferences, field: str) -> Preferences:
    unchosen: dict[str, Any] = {field: ""}
    return replace(preferences, **unchosen)


def _follows_persona(engine: Engine) -> bool:
    return bool(getattr(engine, "follows_persona", False))


def _option(value: str, label: str, meaning: str = "") -> dict[str, str]:
    return {"value": value, "label": label, "meaning": meaning}
