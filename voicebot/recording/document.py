"""Describes the files of a recording from their models: `python -m voicebot.recording.document > docs/recording.md`."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from typing import Annotated, get_args, get_origin

from pydantic import BaseModel

from voicebot.recording.archive import SOUND_FILE, TRANSCRIPT_FILE
from voicebot.recording.formats import EventsFile, LoggedEvent, SoundFile, TranscriptFile, TranscriptMessage
from voicebot.recording.session_log import MAX_FACTS
from voicebot.recording.timeline import RATE_HZ

HEAD = f"""# Recordings

`GET /recordings/NAME.zip` downloads a session, while it lasts and for five minutes after it. `NAME` is the `recording`
in the message `connected`; it is a secret. `DELETE` deletes the recording at once.

`POST /conversations` imports the `{TRANSCRIPT_FILE}` of such a zip (`unzip -p talk.zip {TRANSCRIPT_FILE}` extracts it).
The answer is `{{"conversation": "…"}}` and the state that the page shows. A session that is opened with this
conversation goes on with it. [Security and privacy](security.md#imports) has the limits.

The JSON files are in UTF-8. Times are in seconds since the recording began, which is also where the sound begins. A
recording begins with the session, and anew with each "new conversation". Readers should ignore unknown fields and
refuse unknown versions.

- `{SOUND_FILE}` is 16-bit stereo at {RATE_HZ} Hz. The left channel is the user's sound as the server received it. The
  right channel is the bot's sound as the server sent it, with pauses and fades. A client of `/ws` plays by itself, so
  there the right channel holds what the client is assumed to have played. Where packets were lost, the left channel has
  the concealment that the bot heard, or silence.
- `transcript.md` is the transcript for people.
- `events.json` has at most {MAX_FACTS:,} events; older ones are left out.
"""


def document() -> str:
    models = (TranscriptFile, SoundFile, TranscriptMessage, EventsFile, LoggedEvent)
    return "\n".join([HEAD, *(line for model in models for line in _model(model))]).rstrip() + "\n"


def _model(model: type[BaseModel]) -> Iterator[str]:
    yield f"## {model.__name__}"
    yield inspect.getdoc(model) or ""
    yield ""
    yield "| field | type | meaning |"
    yield "|---|---|---|"
    for name, field in model.model_fields.items():
        optional = "" if field.is_required() else ", optional"
        yield f"| `{name}` | {_type_name(field.annotation)}{optional} | {field.description or ''} |"
    yield ""


def _type_name(annotation: object) -> str:
    if get_origin(annotation) is Annotated:
        return _type_name(get_args(annotation)[0])
    if annotation is type(None):
        return "null"
    if isinstance(annotation, type) and not get_args(annotation):
        return annotation.__name__
    if not get_args(annotation):
        return f"`{annotation!r}`"
    return {"list": "list of ", "dict": "object of "}.get(_origin_name(annotation), "") + " or ".join(
        _type_name(each) for each in get_args(annotation)
    )


def _origin_name(annotation: object) -> str:
    return getattr(get_origin(annotation), "__name__", "")


if __name__ == "__main__":
    sys.stdout.write(document())
