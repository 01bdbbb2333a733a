"""The results of the check: of each engine, and of what is checked beside the engines."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from voicebot.audio.sound import Audio
from voicebot.engines.errors import EngineError


class CheckedStage(StrEnum):
    """A stage of engines. The values are the names of their settings."""

    SPEAK = "TTS_ENGINE"
    HEAR = "STT_ENGINE"
    ANSWER = "LLM_ENGINE"


class Outcome(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Trial:
    """The result of one engine's turn, or why there was none.

    `first_s` is the time from the request to the first output. `total_s` is the time to the last output; for a
    recogniser, it is the time from the end of the sound to the final text. `text` is what a recogniser heard or a model
    answered. `sound` is what a voice said.
    """

    engine: str
    model: str | None = None
    error: EngineError | None = None
    first_s: float | None = None
    total_s: float | None = None
    text: str = ""
    sound: Audio | None = None
    skipped: str | None = None
    """Why an engine without a known error was not tried."""
    listed: tuple[str, ...] = ()
    """The models that the service has, if the configured one is not among them."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The result for something beside the engines, and what to do about it."""

    name: str
    outcome: Outcome
    text: str
    advice: str | None = None
    loss: str | None = None
    """What the bot lacks because of a failure, for the verdict."""
    vital: bool = False
    """The bot can't work without it."""
