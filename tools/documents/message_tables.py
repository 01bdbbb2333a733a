"""Markdown that describes the messages of a session, for the pages on the protocols of all transports."""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
from collections.abc import Iterator, Sequence
from enum import StrEnum
from itertools import pairwise
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel

from voicebot.access.close_codes import CloseCode
from voicebot.access.refusal import Reason
from voicebot.dialogue.errors import ErrorCode
from voicebot.dialogue.preferences import Sensitivity
from voicebot.dialogue.state import InterruptionStatus, Phase, Status
from voicebot.dialogue.tool_calls import CallStatus
from voicebot.session import messages

OPTIONS: dict[str, Any] = {
    "default": {
        **{"persona": "assistant", "language": "en", "voice": "", "sensitivity": "balanced"},
        **{"endpointing": "balanced", "interrupted_history": "heard", "stt": "", "llm": "", "tts": ""},
    },
    "persona": [{"value": "assistant", "label": "Voice Bot, a friendly assistant", "meaning": ""}],
    "language": [{"value": "en", "label": "English", "meaning": ""}],
    "sensitivity": [{"value": "hard", "label": "Hard to interrupt", "meaning": "Takes three words or more."}],
    "endpointing": [{"value": "quick", "label": "Answer quickly", "meaning": "It may cut in."}],
    "interrupted_history": [{"value": "heard", "label": "The words you heard", "meaning": ""}],
    "engines": {
        "stt": [{"name": "moonshine", "languages": ["en"], "voices": {}, "follows_persona": False}],
        "llm": [{"name": "groq", "languages": ["en"], "voices": {}, "follows_persona": True}],
        "tts": [
            {
                **{"name": "espeak", "languages": ["en"], "follows_persona": False},
                "voices": {"en": [{"value": "en-gb-scotland", "label": "Scotland", "meaning": ""}]},
            }
        ],
    },
}
"""An example of what `configure` can set, with one choice each."""

EXAMPLES: Sequence[BaseModel] = (
    messages.SpeechStart(type="speech_start"),
    messages.SpeechEnd(type="speech_end", audio="UklGRjQAAABXQVZF…"),
    messages.ClientPlaybackStarted(type="client_playback_started"),
    messages.ClientPlaybackComplete(type="client_playback_complete"),
    messages.ClipPlayed(type="clip_played", sequence=4, played_ms=730),
    messages.InterruptMessage(type="interrupt"),
    messages.TextMessage(type="text", text="What time is it in Tokyo?"),
    messages.ClearMessage(type="clear"),
    messages.ConfigureMessage(type="configure", voice="en-gb-scotland", sensitivity=Sensitivity.EASY),
    messages.TalkMessage(type="talk", pressed=True),
    messages.DisputeMessage(type="dispute", verdict=3, disputed=True),
    messages.ByeMessage(type="bye"),
    messages.ConnectedMessage(
        session_id="5f0c6a3e9b1d2c47",
        conversation="Zl3kSyVq0m7BpXWcT9uHRA",
        recording="n4Qm8ZtWb1KxUo2VcRy7Ls0DgEhJfP6i",
        engines={"stt": "moonshine", "llm": "groq", "tts": "espeak", "vad": "silero"},
        options=OPTIONS,
        ends_in_s=1800,
    ),
    messages.StopPlayback(discard=True),
    messages.PlaybackResume(),
    messages.PlayAudio(audio="SUQzBAAAAAAAI1RT…", sequence=4, text="Once upon a time", duration_ms=1560),
    messages.ErrorMessage(code=ErrorCode.MESSAGE, message="text: 2310 characters; 2000 are allowed"),
    messages.AsrPartial(utterance=2, text="What time is"),
    messages.AsrFinal(utterance=2, text="What time is it in Tokyo?"),
    messages.LlmDelta(reply=2, text="It is half past eight "),
    messages.LlmFinal(reply=2, text="It is half past eight in the evening in Tokyo."),
    messages.StateMessage(
        phase=Phase.LISTENING,
        stt=Status.PROCESSING,
        agent=Status.IDLE,
        tts=Status.IDLE,
        playback=Status.IDLE,
        interruption=InterruptionStatus.IDLE,
    ),
    messages.VerdictMessage(
        number=3,
        decision="resume",
        rule="backchannel",
        reason="“Uh-huh.” only shows that you are listening",
        text="Uh-huh.",
        took_ms=412,
    ),
    messages.TelemetryMessage(stt_bytes=96_000),
    messages.TtsDroppedMessage(text="Then she walked along the long white beach."),
    messages.ToolCallMessage(id="call_4f1c", tool="order_pizza", status=CallStatus.RUNNING),
    messages.Closed(code=CloseCode.TIME, reason="The time limit of 30 minutes is over."),
)
"""An example of each message."""

TYPE_NAMES = {str: "string", int: "integer", float: "number", bool: "boolean", NoneType: "null", dict: "object"}
SHORT = 4
"""Enumerations of at most this many values are written out."""

AGAIN = {CloseCode.FAULT, CloseCode.MEDIA, CloseCode.MOVING, CloseCode.SHUTDOWN, CloseCode.GONE}
"""After these a client should connect again."""


def paragraph(text: str) -> str:
    """Wraps the lines of a paragraph anew."""
    return textwrap.fill(" ".join(text.split()), 120, break_long_words=False, break_on_hyphens=False)


def messages_of(union: Any, discriminator: str) -> Iterator[str]:
    """Describes each message of a union. `discriminator` is the field with its type as it is called on the wire."""
    for model in get_args(union):
        yield from message(model, discriminator)


def message(model: type[BaseModel], discriminator: str) -> Iterator[str]:
    """Describes a message: when it is sent, its fields, and an example."""
    tag = "type" if "type" in model.model_fields else "event"
    (name,) = get_args(model.model_fields[tag].annotation)
    yield from ["", f"### `{name}`", inspect.getdoc(model) or "", ""]
    fields = {name: field for name, field in model.model_fields.items() if name != tag}
    if fields:
        yield from ["| field | type | meaning |", "|---|---|---|"]
        for name, field in fields.items():
            optional = "" if field.is_required() or tag == "event" else ", optional"
            yield f"| `{name}` | {_type_name(field.annotation)}{optional} | {field.description or ''} |"
        yield ""
    (example,) = (each for each in EXAMPLES if type(each) is model)
    values = example.model_dump(mode="json", exclude_unset=tag == "type")
    yield from block({discriminator: values.pop(tag), **values})


def block(value: dict[str, Any]) -> Iterator[str]:
    """Returns a JSON object as a block. A short one takes one line."""
    line = json.dumps(value, ensure_ascii=False)
    yield from ["```json", line if len(line) <= 120 else _indented(value), "```"]


def _indented(value: Any, depth: int = 0) -> str:
    """Returns JSON in which an object or a list takes several lines only if it does not fit into one."""
    line = json.dumps(value, ensure_ascii=False)
    if len(line) + 2 * depth <= 100 or not isinstance(value, dict | list):
        return line
    inner = "  " * (depth + 1)
    if isinstance(value, dict):
        parts = [f"{json.dumps(name)}: {_indented(each, depth + 1)}" for name, each in value.items()]
        opening, closing = "{", "}"
    else:
        parts, opening, closing = [_indented(each, depth + 1) for each in value], "[", "]"
    return f"{opening}\n" + ",\n".join(f"{inner}{part}" for part in parts) + f"\n{'  ' * depth}{closing}"


def _type_name(annotation: Any) -> str:
    if get_origin(annotation) in (Union, UnionType):
        return " or ".join(dict.fromkeys(_type_name(each) for each in get_args(annotation)))
    plain = get_origin(annotation) or annotation
    if isinstance(plain, type) and issubclass(plain, StrEnum) and len(plain) <= SHORT:
        return " or ".join(f"`{value}`" for value in plain)
    return TYPE_NAMES[str if isinstance(plain, type) and issubclass(plain, StrEnum) else plain]


def meanings(enumeration: type[StrEnum]) -> dict[str, str]:
    """Returns the values of an enumeration, each with the docstring below it in the source, on one line."""
    (definition,) = ast.parse(inspect.getsource(enumeration)).body
    assert isinstance(definition, ast.ClassDef)
    found = dict.fromkeys((str(value) for value in enumeration), "")
    for member, doc in pairwise(definition.body):
        match member, doc:
            case ast.Assign(value=ast.Constant(value=str(value))), ast.Expr(value=ast.Constant(value=str(text))):
                found[value] = " ".join(text.split())
    return found


def table(heading: str, enumeration: type[StrEnum]) -> Iterator[str]:
    """Describes the values of an enumeration."""
    yield from ["", f"| {heading} | meaning |", "|---|---|"]
    for value, meaning in meanings(enumeration).items():
        yield f"| `{value}` | {meaning} |"


def close_codes() -> Iterator[str]:
    """Describes the codes of `closed`."""
    yield from [
        "",
        "## Codes of `closed`",
        "",
        "| code | why the session ended | connect again |",
        "|---|---|---|",
    ]
    for value, meaning in meanings(CloseCode).items():
        yield f"| `{value}` | {meaning} | {'yes' if value in AGAIN else 'no'} |"
    refusals = meanings(Reason)
    yield from ["", "| code | why the session did not begin |", "|---|---|"]
    for reason in messages.REFUSALS:
        yield f"| `{reason}` | {refusals[reason]} |"
