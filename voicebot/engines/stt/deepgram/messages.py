"""The fields of Deepgram's messages and answers that the bot uses.

The SDK builds its own classes without checking the types (`UncheckedBaseModel`): any field may be missing or of another
type. These models read the SDK's objects and raise pydantic's ValidationError, a ValueError, for what makes no sense.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from voicebot.engines.stt.deepgram.protocol import TimedWord


class DeepgramModel(BaseModel):
    """Reads the SDK's objects by their attributes."""

    model_config = ConfigDict(from_attributes=True, allow_inf_nan=False)


class WordMessage(DeepgramModel):
    """A word. Listen v2 sends no times before July 2026, and never a `punctuated_word`: its `word` is punctuated."""

    word: str
    punctuated_word: str | None = None
    confidence: float = 0.0
    start: float | None = Field(None, ge=0)
    end: float | None = Field(None, ge=0)

    def with_times(self, result_end_s: float) -> TimedWord:
        """Returns the word with its times. A word without times counts as said at the end of its result."""
        start_s, end_s = self.start, self.end
        if start_s is None or end_s is None:
            start_s = end_s = result_end_s
        return TimedWord(self.punctuated_word or self.word, start_s, end_s, self.confidence)


class Alternative(DeepgramModel):
    """One reading of the sound."""

    transcript: str
    confidence: float = 0.0
    words: list[WordMessage] = []


class Channel(DeepgramModel):
    """The readings of one audio channel, the best first."""

    alternatives: list[Alternative] = Field(min_length=1)


class LiveResults(DeepgramModel):
    """Listen v1, WebSocket: the words from `start` on, for `duration` seconds of the stream."""

    type: Literal["Results"]
    start: float = Field(ge=0)
    duration: float = Field(ge=0)
    is_final: bool | None = None
    from_finalize: bool | None = None
    channel: Channel


class FileResults(DeepgramModel):
    """Listen v1, REST: the words of a recording."""

    channels: list[Channel] = Field(min_length=1)


class FileAnswer(DeepgramModel):
    """Listen v1, REST: the answer to a request."""

    results: FileResults


class Greeting(DeepgramModel):
    """Listen v2: the first message of a connection."""

    type: Literal["Connected"]


class TurnInfo(DeepgramModel):
    """Listen v2: the words of the current turn, and what has happened to the turn."""

    type: Literal["TurnInfo"]
    event: str
    audio_window_end: float = Field(ge=0)
    transcript: str
    words: list[WordMessage]
    trigger: str | None = None


class ServiceWarning(DeepgramModel):
    """Listen v2: something could not be done; the connection stays open."""

    type: Literal["Warning"]
    code: str


class ServiceError(DeepgramModel):
    """Listen v2: the last message of a connection that fails."""

    type: Literal["Error"]
    code: str = ""


FluxMessage = Greeting | TurnInfo | ServiceWarning | ServiceError
FLUX_MESSAGE: TypeAdapter[FluxMessage] = TypeAdapter(Annotated[FluxMessage, Field(discriminator="type")])
