"""The messages between a session and its client, the same for every transport.

A client's message has a `type`. A server's message has an `event`, which is called `type` on a data channel.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from voicebot.access.close_codes import CloseCode
from voicebot.access.refusal import Reason
from voicebot.dialogue.errors import ErrorCode
from voicebot.dialogue.preferences import Endpointing, InterruptedHistory, Sensitivity
from voicebot.dialogue.state import InterruptionStatus, Phase, Status
from voicebot.dialogue.tool_calls import CallStatus
from voicebot.settings.tuning import Tuning

REFUSALS = (Reason.REQUEST, Reason.RATE, Reason.FULL, Reason.ADDRESS, Reason.DAY, Reason.ENGINES)
"""Why a session may be refused."""


class _WireMessage(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class SpeechStart(_WireMessage):
    """The client hears the user begin to speak. A speaking bot falls silent at once, until there is a verdict.

    If no `speech_end` comes within 10 s, the bot goes on. One that comes later is still transcribed and answered.
    """

    type: Literal["speech_start"]


class SpeechEnd(_WireMessage):
    """The user has fallen silent. Audio of less than 200 ms is ignored."""

    type: Literal["speech_end"]
    audio: str = Field(description="The whole utterance, base64 of WebM, WAV or MP3")


class ClientPlaybackStarted(_WireMessage):
    """The first clip after a silence has begun to play.

    A client that never sends `clip_played` is assumed to play its clips without a break from here on: of an interrupted
    reply, the server counts as heard what fits into the time since then.
    """

    type: Literal["client_playback_started"]


class ClientPlaybackComplete(_WireMessage):
    """All clips so far have been played.

    A player may also send this when it is stopped: after `stop_playback` it counts only for clips that were due to end
    by then.
    """

    type: Literal["client_playback_complete"]


class ClipPlayed(_WireMessage):
    """A clip and all clips before it have been played; or, at `stop_playback`, a part of the clip that was cut.

    A client that sends this once must send it for all clips: from then on only acknowledged audio counts as heard. It
    has 300 ms to answer a `stop_playback` that discards; what is not acknowledged by then was not heard. After one that
    does not discard, the answer may come at any time before the reply goes on. Without an answer, the server assumes
    that the clip was cut at the moment of the message.
    """

    type: Literal["clip_played"]
    sequence: int = Field(ge=0, description="The number of the clip")
    played_ms: int | None = Field(
        default=None, ge=0, le=600_000, description="How much of it, if it was cut (0: it had not begun); null: all"
    )


class InterruptMessage(_WireMessage):
    """The user wants silence: the reply ends, and no other begins before the user speaks or types."""

    type: Literal["interrupt"]


class TextMessage(_WireMessage):
    """The user typed something. A speaking bot is interrupted."""

    type: Literal["text"]
    text: str = Field(description=f"At most {Tuning().max_text_chars:,} characters")


class ClearMessage(_WireMessage):
    """The user begins a new conversation. What was said is forgotten, in the database and in the recording too."""

    type: Literal["clear"]


class ConfigureMessage(_WireMessage):
    """The user changes preferences, from the next turn on. `options` of `connected` lists what is available.

    Fields that are left out stay as they are. For an empty engine or voice the server chooses. Unknown fields are an
    error.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Literal["configure"]
    persona: str = Field(default="", max_length=100, description="Who the bot is")
    language: str = Field(default="", max_length=10, description="Two letters")
    voice: str = Field(default="", max_length=100, description="A voice of the engine that speaks")
    sensitivity: Sensitivity = Field(default=Sensitivity.BALANCED, description="How easily the bot is interrupted")
    endpointing: Endpointing = Field(
        default=Endpointing.BALANCED, description="How soon a silence ends the user's turn"
    )
    interrupted_history: InterruptedHistory = Field(
        default=InterruptedHistory.HEARD, description="What the history keeps of an interrupted reply"
    )
    stt: str = Field(default="", max_length=100, description="The recogniser that is tried first")
    llm: str = Field(default="", max_length=100, description="The model that is tried first")
    tts: str = Field(default="", max_length=100, description="The voice engine that is tried first")
    push_to_talk: bool = Field(
        default=False, description="Whether live sound counts only between two `talk` messages; it applies at once"
    )

    @property
    def changes(self) -> dict[str, Any]:
        """The preferences that the client has set, by field, without `push_to_talk`."""
        return {name: getattr(self, name) for name in self.model_fields_set - {"type", "push_to_talk"}}


class TalkMessage(_WireMessage):
    """The user presses the talk button, or lets go of it. A speaking bot is silent while it is pressed.

    This is for live sound, once `configure` has set `push_to_talk`. While the button is pressed, no pause of less than
    30 s ends the user's turn. When it is let go, the turn ends after 160 ms more of sound, which may have been on its
    way; then the words decide whether the reply goes on, and without words it does. While the button is not pressed,
    silence takes the place of all sound, in the recording too.
    """

    type: Literal["talk"]
    pressed: bool = Field(description="false: the user has let go")


class DisputeMessage(_WireMessage):
    """The user says that the verdict with this number was wrong, or takes that back."""

    type: Literal["dispute"]
    verdict: int = Field(description="The `number` of the verdict")
    disputed: bool = Field(description="false takes the dispute back")


class ByeMessage(_WireMessage):
    """The client leaves: the session ends at once."""

    type: Literal["bye"]
    comes_back: bool = Field(
        default=False, description="true: it connects again, and wants to hear the rest of a reply that is cut off here"
    )


ClientRequest = (
    InterruptMessage | TextMessage | ClearMessage | ConfigureMessage | TalkMessage | DisputeMessage | ByeMessage
)
"""The messages that clients of all transports may send."""

ClientMessage = SpeechStart | SpeechEnd | ClientPlaybackStarted | ClientPlaybackComplete | ClipPlayed | ClientRequest
"""The messages that clients of `/ws` may send."""


class ConnectedMessage(_WireMessage):
    """The session has begun, and the bot listens."""

    event: Literal["connected"] = "connected"
    message: str = Field(
        default="Connected to Voice Bot Orchestrator", description="A greeting for people, the same in every session"
    )
    session_id: str = Field(description="The name of this session in the server's traces")
    conversation: str | None = Field(
        default=None, description="The name with which it can be continued; keep it secret. null: it is not stored"
    )
    recording: str = Field(description="The NAME for `GET /recordings/NAME.zip`, the recorded session; keep it secret")
    engines: dict[str, str] = Field(description="The first engine of each stage: `stt`, `llm`, `tts` and `vad`")
    options: dict[str, Any] = Field(description="The preferences that `configure` can set, with labels for people")
    ends_in_s: int = Field(description="How long the session may last, in seconds")


class StopPlayback(_WireMessage):
    """Stop playing and empty the queue. With `?pause=1`: stop playing, and empty the queue only if `discard`."""

    event: Literal["stop_playback"] = "stop_playback"
    discard: bool = Field(default=True, description="The reply will not go on")


class PlaybackResume(_WireMessage):
    """The reply goes on. Unheard audio is sent again; with `?pause=1` the client goes on with the clips it has."""

    event: Literal["playback_resume"] = "playback_resume"


class PlayAudio(_WireMessage):
    """A clip to play after the clips before it: a sentence, or a part of one."""

    event: Literal["play_audio"] = "play_audio"
    audio: str = Field(description="Base64 of MP3, 48 kHz, one channel")
    sequence: int = Field(description="The number of the clip in this session, from 0")
    text: str = Field(description="The words that begin in this clip; may be empty")
    duration_ms: int = Field(description="How long it sounds")


class ErrorMessage(_WireMessage):
    """A message was wrong, or something failed; the session goes on."""

    event: Literal["error"] = "error"
    code: ErrorCode | Reason = Field(description="For programs: see the table of codes")
    message: str = Field(description="For people")


class AsrPartial(_WireMessage):
    """The interim text of an utterance."""

    event: Literal["asr.partial"] = "asr.partial"
    utterance: int = Field(description="The number of the utterance in this session")
    text: str = Field(description="All of its words so far")


class AsrFinal(_WireMessage):
    """The final text of an utterance; empty if it had no words."""

    event: Literal["asr.final"] = "asr.final"
    utterance: int = Field(description="The number of the utterance in this session")
    text: str = Field(description="All of its words")


class LlmDelta(_WireMessage):
    """The next piece of the answer, as the model streams it. Joined as they are, the pieces make the whole answer.

    The first piece comes when the first sentence goes to the synthesizer: until then another model may answer in place
    of one that stalls. The text of a preemptive reply comes when the user's turn is over. There is no `llm.final` for a
    reply that is interrupted before its text has ended.
    """

    event: Literal["llm.delta"] = "llm.delta"
    reply: int = Field(description="The number of the answer in this session")
    text: str = Field(description="What is added to the answer")


class LlmFinal(_WireMessage):
    """The whole text of the answer, with single spaces, whether or not all of it is heard."""

    event: Literal["llm.final"] = "llm.final"
    reply: int = Field(description="The number of the answer in this session")
    text: str = Field(description="The answer")


class StateMessage(_WireMessage):
    """The phase of the conversation, and the status of each part of the bot. The first one follows `connected`."""

    event: Literal["state"] = "state"
    phase: Phase = Field(description="What the bot does: see the table of phases")
    stt: Status = Field(description="The recogniser")
    agent: Status = Field(description="The model")
    tts: Status = Field(description="The voice")
    playback: Status = Field(description="The sound of the reply")
    interruption: InterruptionStatus = Field(description="Speech over the reply")


class VerdictMessage(_WireMessage):
    """The verdict on speech over the reply, with its rule and reason."""

    event: Literal["verdict"] = "verdict"
    number: int = Field(description="Its number in this session, for `dispute`")
    decision: str = Field(description="`resume`: the reply goes on. `regenerate`: it ends, and the words are answered")
    rule: str = Field(description="The name of the rule that decided")
    reason: str = Field(description="For people")
    text: str = Field(description="The words on which it was decided")
    took_ms: int = Field(description="How long the reply had been paused by then")


class TelemetryMessage(_WireMessage):
    """How many bytes of audio the recogniser was given since the session began. Sent every second."""

    event: Literal["telemetry"] = "telemetry"
    stt_bytes: int = Field(description="Bytes of 16-bit samples")


class TtsDroppedMessage(_WireMessage):
    """A sentence will not be spoken, as too many wait (`TTS_OVERFLOW=drop-oldest`)."""

    event: Literal["tts.dropped"] = "tts.dropped"
    text: str = Field(description="The sentence")


class ToolCallMessage(_WireMessage):
    """The call of a tool with effects has begun or ended, or the user has not confirmed it.

    A call can end after its reply was interrupted, and in a later session of the conversation. Arguments and result are
    not part of the message. There is none for tools without effects.
    """

    event: Literal["tool.call"] = "tool.call"
    id: str = Field(description="The call, unique in this conversation")
    tool: str = Field(description="The name of the tool")
    status: CallStatus = Field(description="How far the call has come: see the table of statuses")


class Closed(_WireMessage):
    """The last message: why the session ends, or could not begin."""

    event: Literal["closed"] = "closed"
    code: CloseCode | Reason = Field(description="For programs: see the table of codes")
    reason: str = Field(description="For people")


SessionMessage = ConnectedMessage | ErrorMessage | TelemetryMessage | TtsDroppedMessage | ToolCallMessage | Closed
"""The messages that servers send over all transports."""

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
    | ToolCallMessage
    | Closed
)
"""The messages that servers send over `/ws`."""

_from_client: TypeAdapter[ClientMessage] = TypeAdapter(Annotated[ClientMessage, Field(discriminator="type")])
_request: TypeAdapter[ClientRequest] = TypeAdapter(Annotated[ClientRequest, Field(discriminator="type")])
_from_server: TypeAdapter[ServerMessage] = TypeAdapter(Annotated[ServerMessage, Field(discriminator="event")])


class MessageError(ValueError):
    """A message is not valid. The text says what is wrong; `type` is the type of the message, if it is known."""

    def __init__(self, message: str, type: str | None = None) -> None:
        super().__init__(message)
        self.type = type


def client_message(raw: str) -> ClientMessage:
    """Parses a message of a `/ws` client, of at most WS_TEXT_BYTES. Raises MessageError."""
    try:
        return _from_client.validate_json(raw)
    except ValidationError as error:
        raise _message_error(error) from None


def request(raw: str | bytes) -> ClientRequest:
    """Parses a message that any client may send. Raises MessageError."""
    try:
        return _request.validate_json(raw)
    except ValidationError as error:
        raise _message_error(error) from None


def _message_error(error: ValidationError) -> MessageError:
    where = error.errors(include_url=False, include_input=False)[0]["loc"]
    return MessageError(_problem(error), str(where[0]) if where else None)


def server_message(raw: str | bytes) -> ServerMessage:
    """Parses a message of the server. Raises MessageError."""
    try:
        return _from_server.validate_json(raw)
    except ValidationError as error:
        raise MessageError(_problem(error)) from None


def _problem(error: ValidationError) -> str:
    problem = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in problem["loc"])
    message = problem["msg"][:300]
    return f"{where}: {message}" if where else message
