"""Writes the page about the protocol of `/ws` from the models of its messages.

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
    "**Limits** of speech in. A session may send as many seconds of sound as have passed since it began, and a burst: "
    f"{limits.LIVE_BURST_S:g} s of live sound, {limits.UPLOAD_BURST_S:g} s of recordings. Sound that comes faster "
    "waits and is not lost. Sound that comes late, after the network has stalled, is heard at once. If more than "
    f"{limits.WS_WAITING_BYTES // 1_000_000} MB are waiting, the server reads nothing from the connection; if that "
    f"lasts for {limits.WS_AHEAD_S:g} s, the session ends with `flood`. A recording has at most {limits.UPLOAD_S:g} s "
    f"and {limits.UPLOAD_CHANNELS} channels, at {RATES_HZ[0]} to {RATES_HZ[-1]} Hz, which do not change within it. A "
    f"{limits.WS_BYTES_PER_AUDIO_BYTE * Tuning().ws_max_audio_mb:g} MB closes the connection with the code 1009.",
    120,
)

HEAD = f"""# The WebSocket protocol

Each connection to `ws://HOST:PORT/ws` carries one conversation. Text frames are JSON. Messages from the client have a
`type`, messages from the server have an `event`. Unknown fields are ignored. The server answers an invalid message with
`error`, and the session continues. Messages without a recording have at most {limits.WS_TEXT_BYTES // 1000} kB.

| query | meaning |
|---|---|
| `rate` | the sampling rate of the live sound, 8000 to 48000 Hz; without it 16000 |
| `conversation` | the id of the conversation to continue, from `connected`; if it is gone, a new one begins |
| `pause` | `1`: the client can pause, and continues by itself at `playback_resume` |

**Speech in.** A session uses one of two ways. Live sound: binary frames of 16-bit little-endian PCM with one channel,
sent as they are recorded (for example 20 ms each; at most 64 kB); the server detects where speech begins and ends. Or
whole utterances: the client sends `speech_start` when speech begins, and `speech_end` with the recording when it ends.

{SPEECH_LIMITS}

**Speech out.** The server sends numbered clips; at most 16 of them are not played yet. The bot remembers only what was
heard. A client that acknowledges clips (`clip_played`) reports that to the millisecond, and a word counts as heard if
half of it was played. For other clients the server computes it from `client_playback_started`,
`client_playback_complete` and the lengths of the clips. At `stop_playback` the client stops playing, empties its queue,
and reports how much of the cut clip it had played. After `playback_resume` the server sends what was not heard again,
from the place where it was cut.
"""


def document() -> str:
    """Returns the page in Markdown."""
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
        kind = of.annotation.__name__ if isinstance(of.annotation, type) else re.sub(r"\w+\.", "", str(of.annotation))
        type_name = getattr(annotation, "__name__", "") if isinstance(annotation, type) else str(annotation)
        yield f"| `{name}` | {type_name.replace('|', 'or').replace('typing.', '')} | {field.description or ''} |"


if __name__ == "__main__":
    sys.stdout.write(document())
