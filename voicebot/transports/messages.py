"""The JSON messages of the data channel: what a client may send, and what it is sent beside the state."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from voicebot.doors.ending import Cause
from voicebot.doors.refusal import Reason
from voicebot.transports.configuration import Configuration


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class TextMessage(_Message):
    """The user typed something."""

    type: Literal["text"]
    text: str


class InterruptMessage(_Message):
    """The user wants silence."""

    type: Literal["interrupt"]


class ClearMessage(_Message):
    """The user wants to begin a new conversation."""

    type: Literal["clear"]


class DisputeMessage(_Message):
    """The user says that the verdict of this number was wrong, or takes that back."""

    type: Literal["dispute"]
    ruling: int
    disputed: bool


class ConfigureMessage(Configuration):
    """The user chooses something, from the next turn on."""

    type: Literal["configure"]


class ByeMessage(_Message):
    """The client is leaving: the session may be taken down at once."""

    type: Literal["bye"]


ClientMessage = TextMessage | InterruptMessage | ClearMessage | DisputeMessage | ConfigureMessage | ByeMessage

_adapter: TypeAdapter[ClientMessage] = TypeAdapter(Annotated[ClientMessage, Field(discriminator="type")])

MAX_MESSAGE_CHARS = 64_000


class MessageError(ValueError):
    """A client's message can't be understood. The text says what is wrong with it."""


def parse(raw: str | bytes, max_text_chars: int) -> ClientMessage:
    """A client's message, checked. Raises MessageError."""
    if len(raw) > MAX_MESSAGE_CHARS:
        raise MessageError(f"the message has {len(raw)} characters; {MAX_MESSAGE_CHARS} are allowed")
    try:
        message = _adapter.validate_json(raw)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in problem["loc"])
        raise MessageError(f"{where}: {problem['msg']}" if where else problem["msg"]) from None
    if isinstance(message, TextMessage) and len(message.text) > max_text_chars:
        raise MessageError(f"text: {len(message.text)} characters; {max_text_chars} are allowed")
    return message


def hello(
    session: str,
    engines: dict[str, str],
    conversation: str | None,
    recording: str,
    options: dict[str, Any],
    ends_in_s: float | None = None,
) -> dict[str, Any]:
    """`conversation` is what a client sends back to go on with it, None if it is not kept; `recording` is the secret
    name under which the session can be taken along; `options` are what it may `configure`.
    """
    return {
        "type": "hello",
        "session": session,
        "engines": engines,
        "conversation": conversation,
        "recording": recording,
        "options": options,
        "ends_in_s": None if ends_in_s is None else round(ends_in_s),
    }


def telemetry(stt_bytes: int) -> dict[str, Any]:
    """How much sound the recogniser was given since the session began: shows that the user's voice arrives there."""
    return {"type": "telemetry", "stt_bytes": stt_bytes}


def dropped(text: str) -> dict[str, Any]:
    """A sentence is left unspoken, as too many wait (TTS_OVERFLOW)."""
    return {"type": "dropped", "text": text}


def error(message: str) -> dict[str, Any]:
    return {"type": "error", "message": message}


def closed(code: Cause | Reason, reason: str) -> dict[str, Any]:
    """`code` tells whether it is worth connecting again, `reason` is for people."""
    return {"type": "closed", "code": code, "reason": reason}


LONG_CHARS, SHORT_CHARS = (4_000, 1_000), (250, 60)
"""The lengths that texts are cut to, one after the other, until a message fits. Between them a state loses its oldest
chat messages."""


def encoded(message: dict[str, Any], max_bytes: int) -> str | None:
    """The message as JSON of at most `max_bytes` in UTF-8; None if it can't be made that short.

    Very long texts lose their beginning, then a state loses its oldest chat messages. Half of a surrogate pair, which
    UTF-8 can't express, becomes U+FFFD.
    """
    for shorter in _ever_shorter(message, max_bytes):
        text = _json(shorter)
        if len(text.encode()) <= max_bytes:
            return text
    return None


def _ever_shorter(message: dict[str, Any], max_bytes: int) -> Iterator[dict[str, Any]]:
    yield message
    for chars in LONG_CHARS:
        yield (message := _cut(message, chars))
    if message.get("chat"):
        yield (message := _without_oldest(message, max_bytes))
    for chars in SHORT_CHARS:
        yield _cut(message, chars)


def _json(message: Any) -> str:
    text = json.dumps(message, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _without_oldest(state: dict[str, Any], max_bytes: int) -> dict[str, Any]:
    chat = state["chat"]
    room = max_bytes - len(_json({**state, "chat": []}).encode())
    kept = 0
    for shown in reversed(chat):
        room -= len(_json(shown).encode()) + len(", ")
        if room < 0:
            break
        kept += 1
    kept = max(1, kept)
    return {**state, "chat": chat[-kept:], "older": state.get("older", 0) + len(chat) - kept}


def _cut(value: Any, chars: int) -> Any:
    """`value` with each text in it cut to its last `chars` characters. A verdict's `case` is of no use in part."""
    if isinstance(value, str):
        return value if len(value) <= chars else f"…{value[-chars:]}"
    if isinstance(value, dict):
        return {key: _cut(each, chars) for key, each in value.items() if key != "case" or len(each) <= chars}
    return [_cut(each, chars) for each in value] if isinstance(value, list) else value
