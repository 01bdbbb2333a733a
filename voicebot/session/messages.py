"""The messages between a session and its client, whatever the transport.

What a client sends has a `type`. What it is sent has an `event`, which is called `type` on a data channel.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from voicebot.access.close_codes import CloseCode
from voicebot.access.refusal import Reason
from voicebot.dialogue.errors import ErrorCode
from voicebot.dialogue.preferences import InterruptedHistory, Sensitivity

REFUSALS = (Reason.REQUEST, Reason.RATE, Reason.FULL, Reason.ADDRESS, Reason.DAY, Reason.ENGINES)
"""Why a session may be refused."""


class _WireMessage(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class SpeechStart(_WireMessage):
    """The client hears the user begin to speak: a speaking bot falls silent at once, until it is known why.

    If no `speech_end` comes within 10 s, the bot goes on. One that comes later is heard and answered all the same.
    """

    type: Literal["speech_start"]


class SpeechEnd(_WireMessage):
    """The user has fallen silent. Less than 200 ms of sound is not looked at."""

    type: Literal["speech_end"]
    audio: str = Field(description="The whole utterance, base64 of WebM, WAV or MP3")


class ClientPlaybackStarted(_WireMessage):
    """The first clip has begun to play, after silence.

    From here on a client that never sends `clip_played` is taken to play its clips without a break: of a reply that is
    cut, so much was heard as time has passed.
    """

    type: Literal["client_playback_started"]


class ClientPlaybackComplete(_WireMessage):
    """All clips that came have been played.

    A player that says so when it is stopped does no harm: after `stop_playback` it counts only for clips that were due
    to end by then.
    """

    type: Literal["client_playback_complete"]


class ClipPlayed(_WireMessage):
    """A clip has been played, and all before it; or, at `stop_playback`, so much of the one that was cut.

    A client that sends one of these must send them for all clips: from then on nothing counts as heard without. The
    answer to a `stop_playback` that discards may take 300 ms; then what is not acknowledged was not heard. Before the
    reply goes on it is heard at any time, and without it the server takes the clip to have been cut when it was told.
    """

    type: Literal["clip_played"]
    sequence: int = Field(ge=0)
    played_ms: int | None = Field(
        default=None, ge=0, le=600_000, description="How much of it, if it was stopped (0: it had not begun); null: all"
    )


class InterruptMessage(_WireMessage):
    """The user wants silence: the reply ends and no other begins."""

    type: Literal["interrupt"]


class TextMessage(_WireMessage):
    """The user typed something."""

    type: Literal["text"]
    text: str


class ClearMessage(_WireMessage):
    """The user wants to begin a new conversation."""

    type: Literal["clear"]


class ConfigureMessage(_WireMessage):
    """The user chooses something, from the next turn on. `connected` says under `options` what there is.

    What is left out stays as it is; an empty engine or voice is the server's to choose. Fields that are not known are
    refused here.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Literal["configure"]
    persona: str = Field(default="", max_length=100, description="Who the bot is")
    language: str = Field(default="", max_length=10, description="Two letters")
    voice: str = Field(default="", max_length=100, description="One of the voices of the engine that speaks")
    sensitivity: Sensitivity = Field(default=Sensitivity.BALANCED, description="How easily it is interrupted")
    interrupted_history: InterruptedHistory = Field(
        default=InterruptedHistory.HEARD, description="What it remembers of a reply that was cut short"
    )
    stt: str = Field(default="", max_length=100, description="The engine that is to hear first")
    llm: str = Field(default="", max_length=100, description="The one that is to think first")
    tts: str = Field(default="", max_length=100, description="The one that is to speak first")

    @property
    def changes(self) -> dict[str, Any]:
        """What the client has chosen, by the field."""
        return {name: getattr(self, name) for name in self.model_fields_set - {"type"}}


class DisputeMessage(_WireMessage):
    """The user says that the verdict of this number was wrong, or takes that back."""

    type: Literal["dispute"]
    verdict: int
    disputed: bool


class ByeMessage(_WireMessage):
    """The client is leaving: the session is taken down at once."""

    type: Literal["bye"]


ClientRequest = InterruptMessage | TextMessage | ClearMessage | ConfigureMessage | DisputeMessage | ByeMessage
"""What a client of any transport may send."""

ClientMessage = SpeechStart | SpeechEnd | ClientPlaybackStarted | ClientPlaybackComplete | ClipPlayed | ClientRequest
"""What a client of `/ws` may send."""


class ConnectedMessage(_WireMessage):
    """The session has begun, and listens."""

    event: Literal["connected"] = "connected"
    message: str = Field(
        default="Connected to Voice Bot Orchestrator", description="A greeting for people, the same in every session"
    )
    session_id: str
    conversation: str | None = Field(
        default=None, description="Its name, for `?conversation=`: keep it secret; null: it is not kept"
    )
    recording: str = Field(description="`GET /recordings/NAME.zip` gives the session to take along: keep it secret")
    engines: dict[str, str] = Field(description="The first engine of each stage: `stt`, `llm`, `tts` and `vad`")
    options: dict[str, Any] = Field(description="What may be chosen with `configure`, for people")
    ends_in_s: int = Field(description="How long the session may last, in seconds")


class StopPlayback(_WireMessage):
    """Fall silent, empty the queue. With `?pause=1`: fall silent, and empty the queue if `discard`."""

    event: Literal["stop_playback"] = "stop_playback"
    discard: bool = Field(default=True, description="What was not heard will not be asked for again")


class PlaybackResume(_WireMessage):
    """The reply goes on. What was not heard is sent again; with `?pause=1` the client goes on with what it has."""

    event: Literal["playback_resume"] = "playback_resume"


class PlayAudio(_WireMessage):
    """A clip to be played when those before it have been: a sentence, or a part of one."""

    event: Literal["play_audio"] = "play_audio"
    audio: str = Field(description="Base64 of MP3, 48 kHz, one channel")
    sequence: int = Field(description="Counts the clips of the session, from 0")
    text: str = Field(description="The words that begin in it")
    duration_ms: int


class ErrorMessage(_WireMessage):
    """Something is wrong with a message, or went wrong; the session goes on."""

    event: Literal["error"] = "error"
    code: ErrorCode | Reason = Field(description=f"for programs: {', '.join(ErrorCode)}; before `closed`, its code")
    message: str


class AsrPartial(_WireMessage):
    """What the utterance seems to be so far."""

    event: Literal["asr.partial"] = "asr.partial"
    utterance: int
    text: str


class AsrFinal(_WireMessage):
    """What the utterance was; empty if there were no words in it."""

    event: Literal["asr.final"] = "asr.final"
    utterance: int
    text: str


class LlmDelta(_WireMessage):
    """The next piece of the answer, as the model streams it. All of them are the answer, with the space between words.

    The first piece comes when the first sentence goes to the synthesiser: until then another model may answer in place
    of one that stalls. What a reply is made of before the user's turn is sure to be over comes when it is. Of a reply
    that is cut there is no `llm.final`.
    """

    event: Literal["llm.delta"] = "llm.delta"
    reply: int
    text: str


class LlmFinal(_WireMessage):
    """The whole answer, with single spaces; how much of it is heard is another matter."""

    event: Literal["llm.final"] = "llm.final"
    reply: int
    text: str


class StateMessage(_WireMessage):
    """What the bot is doing, and what its parts are."""

    event: Literal["state"] = "state"
    phase: str
    stt: str
    agent: str
    tts: str
    playback: str
    interruption: str


class VerdictMessage(_WireMessage):
    """What was decided about words over the reply, and why."""

    event: Literal["verdict"] = "verdict"
    number: int
    decision: str
    rule: str
    reason: str
    text: str
    took_ms: int


class TelemetryMessage(_WireMessage):
    """Each second: how much sound the recogniser was given since the session began."""

    event: Literal["telemetry"] = "telemetry"
    stt_bytes: int


class TtsDroppedMessage(_WireMessage):
    """A sentence is left unspoken, as too many wait (`TTS_OVERFLOW=drop-oldest`)."""

    event: Literal["tts.dropped"] = "tts.dropped"
    text: str


class Closed(_WireMessage):
    """The last message: why the session ends, or does not begin."""

    event: Literal["closed"] = "closed"
    code: str = Field(
        description=f"for programs; of a session: {', '.join(CloseCode)}; "
        f"of one that does not begin: {', '.join(REFUSALS)}"
    )
    reason: str


ServerMessage = (
    ConnectedMessage
    | StopPlayback
    | PlaybackResume
    | PlayAudio
    | ErrorMessage
    | AsrPartial
    | AsrFinal
    | LlmDelta
    | LlmFinal
    | StateMessage
    | VerdictMessage
    | TelemetryMessage
    | TtsDroppedMessage
    | Closed
)

_from_client: TypeAdapter[ClientMessage] = TypeAdapter(Annotated[ClientMessage, Field(discriminator="type")])
_request: TypeAdapter[ClientRequest] = TypeAdapter(Annotated[ClientRequest, Field(discriminator="type")])
_from_server: TypeAdapter[ServerMessage] = TypeAdapter(Annotated[ServerMessage, Field(discriminator="event")])


class MessageError(ValueError):
    """A message can't be understood. The text says what is wrong with it; `type` is the message's, if that much is."""

    def __init__(self, message: str, type: str | None = None) -> None:
        super().__init__(message)
        self.type = type


def client_message(raw: str) -> ClientMessage:
    """What a client of `/ws` sent, in a message of at most WS_TEXT_BYTES. Raises MessageError."""
    try:
        return _from_client.validate_json(raw)
    except ValidationError as error:
        raise _message_error(error) from None


def request(raw: str | bytes) -> ClientRequest:
    """What a client sent, whatever the transport. Raises MessageError."""
    try:
        return _request.validate_json(raw)
    except ValidationError as error:
        raise _message_error(error) from None


def _message_error(error: ValidationError) -> MessageError:
    where = error.errors(include_url=False, include_input=False)[0]["loc"]
    return MessageError(_problem(error), str(where[0]) if where else None)


def server_message(raw: str | bytes) -> ServerMessage:
    """What the server sent. Raises MessageError."""
    try:
        return _from_server.validate_json(raw)
    except ValidationError as error:
        raise MessageError(_problem(error)) from None


def _problem(error: ValidationError) -> str:
    problem = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in problem["loc"])
    message = problem["msg"][:300]
    return f"{where}: {message}" if where else message
