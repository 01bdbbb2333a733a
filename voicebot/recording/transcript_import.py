"""Reads the `transcript.json` of a recording, so that a session can continue the conversation."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired

from pydantic import FailFast, Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from voicebot.dialogue.history import History, Message, Role, merged
from voicebot.runtime.limits import (
    MAX_IMPORT_MESSAGE_CHARS,
    MAX_IMPORT_MESSAGES,
    MAX_IMPORT_PACKED_BYTES,
    MAX_IMPORT_TEXT_BYTES,
    MAX_TRANSCRIPT_BYTES,
)
from voicebot.storage import imports


class ImportFileError(ValueError):
    """A file cannot be imported. The text says why, in whole sentences."""


NO_TRANSCRIPT = (
    "This is not a conversation that was downloaded from a bot like this one. Choose the zip, or its transcript.json."
)


class _ImportedMessage(TypedDict):
    role: Literal["user", "assistant"]
    text: Annotated[str, Field(max_length=MAX_IMPORT_MESSAGE_CHARS)]
    interrupted: NotRequired[bool]


class _ImportedTranscript(TypedDict):
    """The part of a `TranscriptFile` that an import reads. Validating a dictionary takes half the time of a model."""

    format: Literal["voicebot.transcript"]
    version: Literal[1]
    messages: Annotated[list[_ImportedMessage], Field(max_length=MAX_IMPORT_MESSAGES), FailFast()]


_TRANSCRIPT = TypeAdapter(_ImportedTranscript)


def read_transcript(content: bytes) -> History:
    """Returns the history in a transcript. It blocks. Raises ImportFileError."""
    if content.startswith(b"PK"):
        raise _refusal("it is a zip; send the transcript.json in it")
    if len(content) > MAX_TRANSCRIPT_BYTES:
        raise _refusal(f"it is too long; {MAX_TRANSCRIPT_BYTES} bytes are allowed")
    try:
        transcript = _TRANSCRIPT.validate_json(content.removeprefix(b"\xef\xbb\xbf"))
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        if problem["type"] == "json_invalid" or problem["loc"] in ((), ("format",)):
            raise ImportFileError(NO_TRANSCRIPT) from None
        where = ".".join(str(part) for part in ("transcript.json", *problem["loc"]))
        raise _refusal(f"{where}: {problem['msg']}") from None
    messages = transcript["messages"]
    if sum(len(message["text"].encode("utf-8", "replace")) for message in messages) > MAX_IMPORT_TEXT_BYTES:
        raise _refusal(f"it has too much text; {MAX_IMPORT_TEXT_BYTES} bytes are allowed")
    history = tuple(message for message in map(_message, messages) if message.text)
    if not history:
        raise _refusal("it has no messages with text")
    return history


def read_import(content: bytes) -> tuple[History, imports.Import]:
    """Returns the history in a transcript, and its compressed form. It blocks. Raises ImportFileError."""
    history = read_transcript(content)
    imported = imports.pack(history)
    if len(imported.packed) > MAX_IMPORT_PACKED_BYTES:
        raise _refusal(f"it has too much text; {MAX_IMPORT_PACKED_BYTES} compressed bytes are allowed")
    return history, imported


def _refusal(why: str) -> ImportFileError:
    return ImportFileError(f"This can't be imported: {why}.")


def _message(imported: _ImportedMessage) -> Message:
    role = Role(imported["role"])
    return Message(role, merged([imported["text"]]), imported.get("interrupted", False) and role is Role.ASSISTANT)
