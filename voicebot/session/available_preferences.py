"""The preferences that sessions of this server can choose from: only what its engines can do."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any, cast

from voicebot.agent.personas import Persona, personas
from voicebot.dialogue.preferences import Endpointing, InterruptedHistory, Preferences, Sensitivity
from voicebot.engines.fallback_group import FallbackGroup
from voicebot.engines.protocols import Engine, Engines, HasVoices
from voicebot.languages.loader import language_names

STAGES = ("stt", "llm", "tts")

SENSITIVITIES = {
    Sensitivity.HARD: ("Hard to interrupt", "Takes three words or more, spoken clearly, or “stop”. For noisy rooms."),
    Sensitivity.BALANCED: ("Balanced", "Words meant for the bot interrupt it; “uh-huh” and noise do not."),
    Sensitivity.EASY: ("Easy to interrupt", "Soft speech counts, and two words are enough. For quiet rooms."),
}

ENDPOINTINGS = {
    Endpointing.QUICK: ("Answer quickly", "The bot may cut in when you stop to think."),
    Endpointing.BALANCED: ("Balanced", "The bot waits longer when your sentence sounds unfinished."),
    Endpointing.PATIENT: ("Wait for me", "For people who speak slowly, stammer, or like to think."),
}

HISTORIES = {
    InterruptedHistory.HEARD: ("The words you heard", "The bot knows where it was interrupted."),
    InterruptedHistory.MERGE: ("Nothing", "The bot forgets the answer, and adds your new words to your last question."),
}


class PreferenceError(ValueError):
    """A preference is not available. The message names the field and the available values."""


class AvailablePreferences:
    """What users can choose with these `engines`, which are started. `default` holds for what they do not choose.

    `known` are all personas, by name; without it, those of the package.
    """

    def __init__(self, engines: Engines, default: Preferences, known: Mapping[str, Persona] | None = None) -> None:
        self.default = default
        self._personas = personas() if known is None else known
        self._stages: dict[str, Engine] = {"stt": engines.stt, "llm": engines.agent, "tts": engines.tts}

    def changed(self, changes: Mapping[str, Any], before: Preferences) -> Preferences:
        """Returns the preferences with these changes. Engines and voices that no longer fit them are reset.

        Raises PreferenceError if a change is not available.
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
        """Returns everything that can be chosen, with labels for people, as JSON values."""
        languages, names = self.languages, language_names()
        return {
            "default": {name: getattr(self.default, name) for name in self.default.__dataclass_fields__},
            "persona": [_option(name, self._personas[name].label) for name in self.personas],
            "language": [_option(code, names.get(code, code)) for code in languages],
            "sensitivity": [_option(level, *words) for level, words in SENSITIVITIES.items()],
            "endpointing": [_option(pace, *words) for pace, words in ENDPOINTINGS.items()],
            "interrupted_history": [_option(rule, *words) for rule, words in HISTORIES.items()],
            "engines": {
                stage: [self._engine(engine, languages) for engine in self._engines(stage)] for stage in STAGES
            },
        }

    @property
    def personas(self) -> tuple[str, ...]:
        """All personas if some model follows them, otherwise the default one."""
        heeded = any(_follows_persona(agent) for agent in self._engines("llm"))
        return tuple(self._personas) if heeded else (self.default.persona,)

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that some engine of each stage knows, sorted by English name."""
        known = [frozenset().union(*(each.languages for each in self._engines(stage))) for stage in STAGES]
        names = language_names()
        every = frozenset.intersection(*known) & names.keys() | {self.default.language}
        return tuple(sorted(every, key=lambda code: names.get(code, code)))

    def _engines(self, stage: str) -> tuple[Engine, ...]:
        engine = self._stages[stage]
        return cast("tuple[Engine, ...]", engine.engines) if isinstance(engine, FallbackGroup) else (engine,)

    def _knowing(self, stage: str, language: str) -> Iterator[Engine]:
        return (engine for engine in self._engines(stage) if language in engine.languages)

    def _voices(self, name: str, language: str) -> Mapping[str, str]:
        """Returns the voices of the engine that would be tried first."""
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
    reset: dict[str, Any] = {field: ""}
    return replace(preferences, **reset)


def _follows_persona(engine: Engine) -> bool:
    return bool(getattr(engine, "follows_persona", False))


def _option(value: str, label: str, meaning: str = "") -> dict[str, str]:
    return {"value": value, "label": label, "meaning": meaning}
