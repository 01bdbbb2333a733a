"""Describes the protocol of `/ws`, from the models of its messages.

`python -m voicebot.transports.websocket.document > docs/websocket.md` writes the page.
"""

from __future__ import annotations

import inspect
import re
import sys
import textwrap
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel

from voicebot.runtime import limits
from voicebot.session import messages
from voicebot.settings.tuning import Tuning

RATES_HZ = limits.UPLOAD_RATES_HZ

SPEECH_LIMITS = textwrap.fill(
    "**Limits for speech in.** The bot hears no more audio than the time since the session began, plus a burst of "
    f"{limits.LIVE_BURST_S:g} s for live audio or {limits.UPLOAD_BURST_S:g} s for recordings. Audio that comes faster "
    "waits, and is not lost. Audio that comes late because the network had stalled is heard at once. When "
    f"{limits.WS_WAITING_BYTES // 1_000_000} MB wait, the server stops reading from the connection; if that much waits "
    f"for {limits.WS_AHEAD_S:g} s, the session ends with `flood`. A recording may have {limits.UPLOAD_S:g} s and "
    f"{limits.UPLOAD_CHANNELS} channels, at one rate from {RATES_HZ[0]} to {RATES_HZ[-1]} Hz. A message of more than "
    f"{limits.WS_BYTES_PER_AUDIO_BYTE * Tuning().ws_max_audio_mb:g} MB closes the connection with the code 1009.",
    120,
)

HEAD = f"""# The WebSocket protocol

Each connection to `ws://HOST:PORT/ws` carries one conversation. Text frames are JSON: a client's message has a `type`,
the server's has an `event`. Unknown fields are ignored. A wrong message is answered with `error`, and the session goes
on. Messages other than recordings may have {limits.WS_TEXT_BYTES // 1000} kB.

| query | meaning |
|---|---|
| `rate` | the sampling rate of live audio in Hz, from 8000 to 48000; 16000 without it |
| `conversation` | the conversation to go on with, as named by `connected`; if it no longer exists, a new one begins |
| `pause` | `1`: the client can pause playback, and goes on by itself at `playback_resume` |

**Speech in.** A session uses one of two ways. Live: the client sends binary frames of 16-bit little-endian PCM with one
channel as they are recorded (for example 20 ms each; at most 64 kB), and the server detects where speech begins and
ends. Or whole utterances: the client detects speech, and sends `speech_start` and then `speech_end` with the recording.

{SPEECH_LIMITS}

**Speech out.** The server sends numbered clips, and never has more than 16 of them unheard. The bot remembers only what
the user has heard. A client that acknowledges clips (`clip_played`) reports that to the millisecond, and a word counts
as heard once half of it was played. For other clients the server estimates it from `client_playback_started`,
`client_playback_complete` and the durations of the clips. At `stop_playback` a client falls silent, empties its queue
and reports how much of the stopped clip it has played. After `playback_resume` it gets the unheard audio again, from
where it was stopped.
"""


def document() -> str:
    return (
        "\n".join(
            [
                HEAD,
                *_section("From the client", messages.ClientMessage, "type"),
                "",
                *_section("From the server", messages.ServerMessage, "event"),
            ]
        )
        + "\n"
    )


def _section(title: str, union: Any, discriminator: str) -> Iterator[str]:
    yield f"## {title}"
    for model in get_args(union):
        yield from _message(model, discriminator)


def _message(model: type[BaseModel], discriminator: str) -> Iterator[str]:
    (name,) = get_args(model.model_fields[discriminator].annotation)
    yield ""
    yield f"### `{name}`"
    yield inspect.getdoc(model) or ""
    fields = {name: field for name, field in model.model_fields.items() if name != discriminator}
    if fields:
        yield ""
        yield "| field | type | meaning |"
        yield "|---|---|---|"
    for name, field in fields.items():
        annotation = field.annotation
        type_name = annotation.__name__ if isinstance(annotation, type) else re.sub(r"\w+\.", "", str(annotation))
        yield f"| `{name}` | {type_name.replace('|', 'or')} | {field.description or ''} |"


if __name__ == "__main__":
    sys.stdout.write(document())
