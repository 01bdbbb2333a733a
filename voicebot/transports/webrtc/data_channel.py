"""The JSON messages of the data channel, shortened for clients that accept only short ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from voicebot.session.messages import ClientRequest, MessageError, SessionMessage, request

MAX_MESSAGE_CHARS = 64_000


def parse(raw: str | bytes) -> ClientRequest:
    """Parses and checks a client's message. Raises MessageError."""
    if len(raw) > MAX_MESSAGE_CHARS:
        raise MessageError(f"the message has {len(raw)} characters; {MAX_MESSAGE_CHARS} are allowed")
    return request(raw)


def message_of(message: SessionMessage) -> dict[str, Any]:
    """Returns a message for the data channel, on which `event` is called `type`, as in FastRTC's messages."""
    fields = message.model_dump(mode="json")
    return {"type": fields.pop("event"), **fields}


LONG_CHARS, SHORT_CHARS = (4_000, 1_000), (250, 60)
"""Texts are cut to these lengths, one after the other, until a message fits. Between the long and the short ones, a
state loses its oldest chat messages."""


def encoded(message: dict[str, Any], max_bytes: int) -> str | None:
    """Returns the message as JSON of at most `max_bytes` in UTF-8; None if it can't be made short enough.

    Very long texts lose their beginning, then a state loses its oldest chat messages. A lone surrogate, which UTF-8
    can't express, becomes U+FFFD.
    """
    for shorter in _shortened(message, max_bytes):
        text = _json(shorter)
        if len(text.encode()) <= max_bytes:
            return text
    return None


def _shortened(message: dict[str, Any], max_bytes: int) -> Iterator[dict[str, Any]]:
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
    """Cuts each text in `value` to its last `chars` characters. A long `case` of a verdict is dropped as a whole."""
    if isinstance(value, str):
        return value if len(value) <= chars else f"…{value[-chars:]}"
    if isinstance(value, dict):
        return {key: _cut(each, chars) for key, each in value.items() if key != "case" or len(each) <= chars}
    return [_cut(each, chars) for each in value] if isinstance(value, list) else value
