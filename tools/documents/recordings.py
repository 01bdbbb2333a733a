"""Describes the files of a recording, from their models."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Annotated, get_args, get_origin

from pydantic import BaseModel

from voicebot.recording.archive import SOUND_FILE, TRANSCRIPT_FILE
from voicebot.recording.formats import (
    EventsFile,
    LoggedEvent,
    SoundFile,
    TranscriptCall,
    TranscriptFile,
    TranscriptMessage,
)
from voicebot.recording.session_log import MAX_FACTS
from voicebot.recording.timeline import RATE_HZ
from voicebot.runtime import limits

HEAD = f"""# Recordings

`GET /recordings/NAME.zip` downloads a session, while it lasts and for five minutes after it. `NAME` is the `recording`
in the message `connected`; it is a secret. The page's "Download" does the same. `DELETE` deletes the recording at once.

`POST /conversations` imports the `{TRANSCRIPT_FILE}` of such a zip, to this or to another server. The page's "Import"
does the same. The answer has the name of the new conversation, `conversation`, and the [state](webrtc.md#state) that
the page shows. A session that is opened with this conversation goes on with it.

<!-- not run: has a placeholder -->
```sh
curl -s -o talk.zip http://127.0.0.1:7860/recordings/NAME.zip
unzip -p talk.zip {TRANSCRIPT_FILE} | curl -s --data-binary @- http://127.0.0.1:7860/conversations
```

A transcript may have {limits.MAX_TRANSCRIPT_BYTES // 1024**2} MB, {limits.MAX_IMPORT_MESSAGES:,} messages and \
{limits.MAX_IMPORT_TEXT_BYTES // 1000} kB of text ({limits.MAX_IMPORT_PACKED_BYTES // 1000} kB compressed): hours of \
talk. An
address may import ten at once, and then one every 10 s.

A recording begins with the session, and anew with each "new conversation", reload or reconnection. The first
`RECORDING_MINUTES` (30; 0: none) of a session are recorded.

## The zip

- `{SOUND_FILE}` is 16-bit stereo at {RATE_HZ} Hz. The left channel is the user's sound as the server received it. The
  right channel is the bot's sound as the server sent it, with pauses and fades. A client of `/ws` plays by itself, so
  there the right channel holds what the client is assumed to have played. Both channels follow the server's clock: a
  sound is where it came in, even if the clock of the user's sound card is wrong, and there is silence where nothing was
  sent. Where packets were lost, the left channel has the concealment that the bot heard, or silence.
- `transcript.md` is the transcript for people.
- `{TRANSCRIPT_FILE}` is the transcript for programs, with the words that the bot did not get to say, and the calls of
  tools with effects.
- `events.json` has the verdicts, engines, errors and response times. It has at most {MAX_FACTS:,} events; older
  ones are left out.

The JSON files are in UTF-8. Times are in seconds since the recording began, which is also where the sound begins.
Readers should ignore unknown fields and refuse unknown versions.

The sound takes at most 5.8 MB a minute; silence takes no space. It is in files without a name in `TMPDIR`, never in the
database. Eight sessions and the eight that ended last take at most 2.8 GB. Recording takes 0.1 % of a core for each
session. Packing 30 minutes of alternating speech (synthetic, a zip of 100 MB) took 2 s of processor time.
"""


def document() -> str:
    models = (TranscriptFile, SoundFile, TranscriptMessage, TranscriptCall, EventsFile, LoggedEvent)
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
