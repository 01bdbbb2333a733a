"""The JSON files of a recording. Each names its `format` and `version`, so that readers can refuse unknown ones."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from voicebot.dialogue.tool_calls import CallStatus

Seconds = Annotated[float, Field(allow_inf_nan=False)]


class _FileModel(BaseModel):
    model_config = ConfigDict(frozen=True)


class SoundFile(_FileModel):
    """The WAV file in the same zip."""

    file: str
    rate_hz: int
    left: str = Field(default="user", description="who is heard on the left channel")
    right: str = Field(default="bot", description="who is heard on the right channel")
    duration_s: Seconds
    cut_off: bool = Field(description="the sound ends before the session: it was too long, or the disk was full")


class TranscriptMessage(_FileModel):
    """A message of the user or of the bot. Fields that have their default are left out."""

    role: Literal["user", "assistant"]
    text: str = Field(description="what the user said, or what was heard of the bot's answer")
    unheard: str = Field(default="", description="the rest of the answer, which was not played")
    interrupted: bool = Field(default=False, description="the bot was interrupted")
    began_s: Seconds | None = Field(default=None, description="null if it was before the recording, or is not known")
    ended_s: Seconds | None = None


class TranscriptCall(_FileModel):
    """The call of a tool with effects. An import ignores it, as nothing shows that the tool has really run.

    Fields that have their default are left out.
    """

    id: str = Field(description="unique in the conversation")
    tool: str
    arguments: str = Field(description="a JSON object")
    status: CallStatus = Field(description="how far it had come: see the [statuses](websocket.md#statuses-of-calls)")
    result: str = Field(description="what the tool returned, or why there is no result")
    position: int = Field(description="how many of the `messages` come before it")
    began_s: Seconds | None = Field(default=None, description="null if it was before the recording, or never")
    ended_s: Seconds | None = Field(default=None, description="null if it was before the recording, or has not come")


class TranscriptFile(_FileModel):
    """`transcript.json`: what was said and heard. An import reads `role`, `text` and `interrupted` of `messages`."""

    format: Literal["voicebot.transcript"] = "voicebot.transcript"
    version: Literal[1] = 1
    began_at: datetime = Field(description="the time of day at which the recording began")
    language: str
    sound: SoundFile | None = Field(description="null if no sound was recorded")
    calls: list[TranscriptCall] = Field(description="the calls of tools with effects, the oldest first")
    messages: list[TranscriptMessage]


class LoggedEvent(_FileModel):
    """Something that happened, such as `phase_changed`, `transcript_completed`, `verdict_given` or `turn_answered`."""

    at_s: Seconds = Field(description="when it happened")
    name: str
    details: dict[str, Any] = Field(
        default={}, description="values of the event; those of `turn_answered` are the steps of the response time in ms"
    )


class EventsFile(_FileModel):
    """`events.json`: what happened, oldest first."""

    format: Literal["voicebot.events"] = "voicebot.events"
    version: Literal[1] = 1
    dropped: int = Field(description="the number of older events that are left out")
    events: list[LoggedEvent]
