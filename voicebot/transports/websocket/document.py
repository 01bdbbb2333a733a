"""The protocol of `/ws` as a page, from its models.

`python -m voicebot.transports.websocket.document > docs/websocket.md`
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

RATES_HZ = limits.UPLOAD_RATES_HZ

SPEECH_LIMITS = textwrap.fill(
    "**Limits** of speech in. The bot listens to as many seconds as have gone by since the session began, and a burst: "
    f"{limits.LIVE_BURST_S:g} s of live sound, {limits.UPLOAD_BURST_S:g} s of recordings. Sound that is ahead of that "
    "waits for its time and is not lost; sound that comes late, as the network had stalled, is heard at once. What "
    f"waits beyond {limits.WS_WAITING_BYTES // 1_000_000} MB is not read from the connection; a session that keeps it "
    f"so full for {limits.WS_AHEAD_S:g} s ends with `flood`. A recording has at most {limits.UPLOAD_S:g} s and "
    f"{limits.UPLOAD_CHANNELS} channels, at {RATES_HZ[0]} to {RATES_HZ[-1]} Hz, which do not change within it. A "
    f"message of more bytes than {limits.WS_BYTES_PER_AUDIO_BYTE:g} times 5 MB (at least "
    f"{limits.WS_LEAST_BYTES // 1_000_000} MB) closes the connection with 1009.",
    120,
)

HEAD = f"""# The WebSocket protocol

`ws://HOST:PORT/ws` takes one conversation a connection. Text frames are JSON: what a client sends has a `type`, what it
is sent has an `event`. Fields that are not known are ignored; a message that is wrong gets `error`, and the session
goes on. Other messages than recordings have {limits.WS_TEXT_BYTES // 1000} kB at most.

| query | meaning |
|---|---|
| `rate` | of the live sound, in Hz: 8000 to 48000, else 16000 |
| `conversation` | the one to go on with, as `connected` named it; of one that is not there any more a new one begins |
| `pause` | `1`: the client can pause, and goes on by itself at `playback_resume` |

**Speech in**, one of two ways in a session. Live: binary frames of 16-bit little-endian PCM, one channel, as they come
(20 ms each, say; 64 kB at most); the server hears where speech begins and ends. Or whole utterances: `speech_start`
where the client hears one begin and `speech_end` with its recording.

{SPEECH_LIMITS}

**Speech out**: clips, numbered, at most 16 of them not heard yet. The bot remembers only what was heard. A client that
acknowledges clips (`clip_played`) tells it to the millisecond, and a word of which half was played counts as heard; of
another it is reckoned from `client_playback_started`, `client_playback_complete` and the clips' lengths. At
`stop_playback` a client falls silent, empties its queue and says how much of the cut clip it had played; after
`playback_resume` it is sent again what it had not heard, from where it was cut.
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
    fields = [(field, of) for field, of in model.model_fields.items() if field != discriminator]
    if fields:
        yield ""
        yield "| field | kind | meaning |"
        yield "|---|---|---|"
    for field, of in fields:
        kind = of.annotation.__name__ if isinstance(of.annotation, type) else re.sub(r"\w+\.", "", str(of.annotation))
        escaped = kind.replace("|", "or")
        yield f"| `{field}` | {escaped} | {of.description or ''} |"


if __name__ == "__main__":
    sys.stdout.write(document())
