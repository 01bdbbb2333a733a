"""A recording's files as a page, from their models: `python -m voicebot.recording.document > docs/recording.md`."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from typing import Annotated, get_args, get_origin

from pydantic import BaseModel

from voicebot.recording.archive import SOUND_FILE, TRANSCRIPT_FILE
from voicebot.recording.documents import Event, Events, Said, Sound, Step, Timings, Transcript, Turn, Word
from voicebot.recording.journal import MAX_EVENTS
from voicebot.recording.lane import RATE_HZ

HEAD = f"""# A session to take along

`GET /recordings/NAME.zip` gives it, while the session lasts and for five minutes after it; `NAME` is the `recording` of
`connected`, a secret. `DELETE` removes it at once. `POST /conversations` takes the zip, or its
`{TRANSCRIPT_FILE}` alone, and gives {{"conversation": "…"}} and what the page shows of it; an offer with that
conversation goes on with it. How long an import may be, and how many there may be, is in [storage.md](storage.md).

The JSON files are UTF-8. Seconds count from the recording's beginning, which is that of the session or the last "new
conversation", by the server's clock: the same as in the sound. Readers should ignore fields they do not know, and
refuse a `version` they do not know.

`{SOUND_FILE}` is 16-bit stereo at {RATE_HZ} Hz: the user on the left as they came to the server, the bot on the right
as it left the server, with its pauses and fades and without what was dropped. Over `/ws`, where clients play by
themselves, the right is what they are taken to have played. Packets that were lost are concealed as the bot heard
them, or silent. `transcript.md` is the transcript for people. Of more than {MAX_EVENTS:,} events the oldest are left
out.
"""


def document() -> str:
    models = (Transcript, Sound, Said, Word, Events, Event, Timings, Turn, Step)
    return "\n".join([HEAD, *(line for model in models for line in _model(model))]).rstrip() + "\n"


def _model(model: type[BaseModel]) -> Iterator[str]:
    yield f"## {model.__name__}"
    yield inspect.getdoc(model) or ""
    yield ""
    yield "| field | kind | meaning |"
    yield "|---|---|---|"
    for name, field in model.model_fields.items():
        optional = "" if field.is_required() else ", optional"
        yield f"| `{name}` | {_kind(field.annotation)}{optional} | {field.description or ''} |"
    yield ""


def _kind(annotation: object) -> str:
    if get_origin(annotation) is Annotated:
        return _kind(get_args(annotation)[0])
    if annotation is type(None):
        return "null"
    if isinstance(annotation, type) and not get_args(annotation):
        return annotation.__name__
    if not get_args(annotation):
        return f"`{annotation!r}`"
    return {"list": "list of ", "dict": "object of "}.get(_name(annotation), "") + " or ".join(
        _kind(each) for each in get_args(annotation)
    )


def _name(annotation: object) -> str:
    return getattr(get_origin(annotation), "__name__", "")


if __name__ == "__main__":
    sys.stdout.write(document())
