"""What came of the check of one engine, and of the whole stage."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from voicebot.audio.sound import Audio
from voicebot.engines.errors import EngineError


class CheckedStage(StrEnum):
    SPEAK = "TTS_ENGINE"
    HEAR = "STT_ENGINE"
    ANSWER = "LLM_ENGINE"


class Outcome(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Trial:
    """One engine's turn, or why there was none.

    `first_s` is from the request to the first output; `total_s` to the last one, but for a recogniser from the end of
    the sound to the final text. `text` is what a recogniser heard or a model answered, `sound` what a voice said.
    """

    engine: str
    model: str | None = None
    error: EngineError | None = None
    first_s: float | None = None
    total_s: float | None = None
    text: str = ""
    sound: Audio | None = None
    skipped: str | None = None
    """Why it was not tried, though nothing is known to be wrong with it."""
    obstacle: str | None = None
    """Why no connection to the service can be opened, if that was tried and found."""
    listed: tuple[str, ...] = field(default=())
    """The models that the service has, if the one that is set is not among them."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A thing beside the engines: what it is and does, and what to do if it does not."""

    name: str
    status: Outcome
    text: str
    advice: str | None = None
    loss: str | None = None
    """What the bot is without it, for the verdict; None: nothing."""
    vital: bool = False
    """The bot can't work without it."""
