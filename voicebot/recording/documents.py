"""The JSON files of a recording. Each tells its `format` and `version`: a reader that knows others leaves it alone."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


Seconds = Annotated[float, Field(allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]


class Sound(_Document):
    """The WAV file beside it."""

    file: str
    rate_hz: int
    left: str = Field(default="user", description="who is on this channel, as it came to the server")
    right: str = Field(default="bot", description="who is on this channel, as it left the server")
    duration_s: Seconds
    cut_off: bool = Field(
        description="the session went on after it had become as long as recordings may, or the disk was full"
    )


class Word(_Document):
    """A word of the bot's that was heard."""

    text: str
    heard_s: Seconds = Field(description="when half of it had been played, which is what counts")


class Said(_Document):
    """A message of the user's, or of the bot's."""

    role: Literal["user", "assistant"]
    text: str = Field(description="what was said; of the bot's words those that were heard")
    unheard: str = Field(default="", description="the rest of what the bot would have said; never remembered")
    interrupted: bool = Field(default=False, description="the bot was cut short")
    began_s: Seconds | None = Field(default=None, description="in the recording; null: before it, or not known")
    ended_s: Seconds | None = None
    words: list[Word] = Field(default=[], description="the bot's, where their times are known")


class Transcript(_Document):
    """`transcript.json`: what was said and heard. An import reads `messages`: their `role`, `text`, `interrupted`."""

    format: Literal["voicebot.transcript"]
    version: Literal[1]
    began_at: datetime | None = Field(default=None, description="when the recording, and its seconds, began")
    language: str = ""
    sound: Sound | None = Field(default=None, description="null: no sound was recorded")
    messages: list[Said]


class Event(_Document):
    """`kind` is `input` (what came to the machine), `phase` (where the conversation is now) or `verdict`."""

    at_s: Seconds
    kind: Literal["input", "phase", "verdict"]
    name: str = Field(description="the input's or the phase's; of a verdict its decision")
    details: dict[str, Any] = Field(default={}, description="the input's own values; of a verdict what the page shows")


class Events(_Document):
    """`events.json`: what happened, oldest first."""

    format: Literal["voicebot.events"]
    version: Literal[1]
    forgotten: Count = Field(description="so many older ones are left out")
    events: list[Event]


class Step(_Document):
    """A bar of the page's waterfall, in ms since the user fell silent."""

    name: str
    from_ms: int
    to_ms: int


class Turn(_Document):
    """From the user's last word to the bot's first sound."""

    speech_ended_s: Seconds = Field(description="in the recording")
    typed: bool
    response_gap_ms: int | None
    steps: list[Step]


class Timings(_Document):
    """`timings.json`: of each answered turn, oldest first; `medians_ms` are those of the spoken ones."""

    format: Literal["voicebot.timings"]
    version: Literal[1]
    turns: list[Turn]
    medians_ms: dict[str, int]
