"""The protocol of `/ws` as a page, from its models: `python -m voicebot.transports.ws.document > docs/websocket.md`."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel

from voicebot import limits
from voicebot.transports.ws import protocol

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
                *_section("From the client", protocol.ClientMessage, "type"),
                "",
                *_section("From the server", protocol.ServerMessage, "event"),
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
        kind = of.annotation.__name__ if isinstance(of.annotation, type) else str(of.annotation)
        escaped = kind.replace("|", "or")
        yield f"| `{field}` | {escaped} | {of.description or ''} |"


if __name__ == "__main__":
    sys.stdout.write(document())
