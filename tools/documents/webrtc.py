"""Describes the protocol over WebRTC, from the models of its messages."""

from __future__ import annotations

from typing import Any

from tools.documents.message_tables import block, close_codes, messages_of, paragraph, table
from voicebot.access.rates import MessageRate
from voicebot.dialogue.errors import ErrorCode
from voicebot.dialogue.state import InterruptionStatus, Phase, Status
from voicebot.dialogue.tool_calls import CallStatus
from voicebot.dialogue.view import MAX_CALL_CHARS
from voicebot.runtime import limits
from voicebot.session import messages
from voicebot.settings.tuning import Tuning
from voicebot.transports.webrtc.connection import STATE_INTERVAL_S
from voicebot.transports.webrtc.data_channel import MAX_MESSAGE_CHARS

OFFER = {
    "sdp": "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\n…",
    "type": "offer",
    "webrtc_id": "0b6f5a52-5f0e-4f0b-9a43-6f1f8f0f3c11",
    "conversation": "Zl3kSyVq0m7BpXWcT9uHRA",
}

STATE: dict[str, Any] = {
    "type": "state",
    "phase": "speaking",
    "handed_over": False,
    "chat": [
        {"role": "user", "text": "Note that I need bread, and tell me a story.", "interim": False},
        {
            **{"role": "tool", "id": "call_4f1c", "tool": "add_note", "status": "done"},
            **{"arguments": '{"text": "bread"}', "result": "It is noted."},
        },
        {
            **{"role": "assistant", "heard": "Once upon a time", "unheard": "there was a fox."},
            **{"interrupted": False, "live": True},
        },
    ],
    "older": 0,
    "status": {"stt": "idle", "agent": "idle", "tts": "idle", "playback": "active", "interruption": "idle"},
    "engines": {"llm": {"name": "offline", "reasons": ["groq: it cannot be reached"]}},
    "verdicts": [
        {
            **{"number": 3, "decision": "resume", "rule": "backchannel"},
            **{"reason": "“Uh-huh.” only shows that you are listening", "text": "Uh-huh.", "took_ms": 412},
            "disputed": False,
        }
    ],
    "turn": [
        {"name": "end of turn", "from_ms": 0, "to_ms": 168},
        {"name": "first frame", "from_ms": 168, "to_ms": 200},
    ],
    "ended_by": "words: a whole question or request",
    "budget": {
        **{"gap_ms": 200, "limit_ms": 800, "most": "end of turn", "stage": None, "own_ms": 32, "own_limit_ms": 40},
    },
    "medians": {"response gap": 200, "end of turn": 168, "first frame": 32},
    "confirmation": None,
    "error": None,
}
"""An example of the state; `tests/unit/transports/webrtc/test_document.py` compares it with the real one."""

STATE_FIELDS = {
    "phase": "What the bot does: see the table of phases",
    "handed_over": "Whether a person answers in place of the bot, until they give the conversation back",
    "chat": "The last messages, oldest first. The user's: `text`, and whether it is `interim`, so that it may still "
    "change. The bot's: the words that were `heard`, those that are `unheard`, whether it was `interrupted`, and "
    "whether it is `live`, so that `heard` still grows. The call of a tool with effects: its `id`, the `tool`, the "
    "`status` (see the table), and the beginning of its `arguments` (JSON) and its `result`, "
    f"{MAX_CALL_CHARS} characters of each",
    "older": "How many messages before those of `chat` are left out",
    "status": "The status of each part of the bot: see the tables",
    "engines": "For each stage at work (`stt`, `llm`, `tts`): the engine's `name`, and for each engine that is "
    "preferred to it the reason (`reasons`) why it does not work",
    "verdicts": "The last five verdicts on speech over a reply, newest first. `decision` is `resume` or `regenerate`; "
    "`rule` and `reason` say why; `took_ms` is how long the reply had been paused by then. If it is `disputed`, `case` "
    "is a line to save as a test case",
    "turn": "The steps of the last answer, in ms since the user fell silent",
    "ended_by": "What ended that turn, for people; empty if it was typed, or has not ended",
    "budget": "Once the answer is heard: the response gap (`gap_ms`) and its goal, the step that took `most` of it and "
    "the stage of that step, and the bot's own share and its goal. Before that null",
    "medians": "The median response gap of this session, and the median length of each step, in ms",
    "confirmation": "The `question` whether a `tool` may be called (`id` is that of the call), once the user has heard "
    "all of it and until they have answered; `yes` and `no` are texts that answer it in the session's language, to be "
    "sent with `text`. Otherwise null",
    "error": "The last error (`code`, `message`), until the user speaks or types again; or null",
}

GREETING = paragraph(
    f"""5. Within {limits.CONNECTING_S:g} s the data channel must be open. Then the session begins: `connected`
    comes, and the first `state`. If there is no place for it any more, or another limit is reached, `closed`
    comes instead."""
).replace("\n", "\n   ")

SDP_LIMITS = paragraph(
    f"""The offer may have {limits.OFFER_LINES} lines of {limits.OFFER_LINE_CHARS:,} characters, {limits.OFFER_MEDIA}
    media sections, of which one is audio and one is for data channels, {limits.OFFER_REPETITIONS} attributes of the
    same name, and {limits.OFFER_CANDIDATES} candidates. It must have a fingerprint. Its `max-message-size` must be at
    least {limits.LEAST_MESSAGE_BYTES:,} bytes, and should be 64 kB as in the offers of browsers and aiortc:
    `connected` can have 30 kB, if there are many voices, and is left out if it does not fit. Candidates are ignored if
    they are not UDP, go to a port below 1024 other than 80 and 443, or have an address that only this machine or this
    link can reach, unless the client is on the same machine. Of different addresses in them, the first
    {limits.OFFER_HOSTS} are tried, and {limits.OFFER_MDNS_NAMES} names ending in `.local`."""
)

SOUND = paragraph(
    f"""Audio is Opus. The bot sends one frame of 20 ms after the other, silence too, and so must the client, even
    while its user is muted: after {Tuning().media_timeout_s:g} s without audio the session ends with `media`. If the
    bot's voice can come back into the microphone, use echo cancellation, as browsers do. What comes faster than real
    time is dropped after a burst of {limits.SOUND_BURST_S:g} s. A connection that breaks is not mended: make a new
    one, with the `conversation` of the old one. That ends the old session with `elsewhere` if the server still has it,
    and takes its place."""
)

MESSAGE_LIMITS = paragraph(
    f"""A message from you may have {MAX_MESSAGE_CHARS // 1000} kB. {Tuning().messages_per_s:g} messages a second are
    allowed, and {Tuning().messages_per_s * MessageRate.BURST_S:g} at once; each further one is ignored and answered
    with `error`. Ten times as many end the session with `flood`. Of texts, {limits.TEXTS_PER_S:g} a second is allowed,
    and {limits.TEXTS_AT_ONCE} at once. A client that does not read for {limits.UNTOLD_S:g} s loses its session with
    `slow`. The server's messages never exceed the `max-message-size` of the offer (64 kB if it names none): longer
    ones lose the beginnings of long texts, then `chat` its oldest messages."""
)

HEAD = f"""# The WebRTC protocol

A peer connection carries one conversation: sound both ways, and JSON messages over a data channel. The server detects
speech, pauses and stops its own voice, and knows what the user has heard. So a client only has to connect, send the
microphone, play what comes, and show what it likes. [Two examples](../../examples/README.md) do that: a program of 90
lines and a page of 60.

## Connecting

1. `GET /webrtc/config`, and use its `iceServers` for your peer connection. The list is empty unless the operator has
   set up STUN or TURN. A login in it expires: ask again after `iceValidS` seconds (null: never).
2. Add one audio track that is sent and received (`sendrecv`, the default of `addTrack`), and create one data channel
   with any name. Further channels are ignored.
3. Set your offer as the local description, and wait until ICE has gathered its candidates: all of them must be in the
   offer, as there is no trickle ICE.
4. `POST /webrtc/offer` with the fields below as JSON. The answer is `{{"sdp": "…", "type": "answer"}}`: set it as the
   remote description.
{GREETING}

| field | meaning |
|---|---|
| `sdp` | the offer. All fields together may have {limits.OFFER_BYTES // 1000} kB |
| `type` | `offer` |
| `webrtc_id` | any text of at most 200 characters that no other connection uses at the moment, such as a UUID |
| `conversation` | optional: the conversation to go on with, as named by `connected`; if it no longer exists, a new \
one begins |

{{offer}}

{SDP_LIMITS}

A refused offer is answered with `{{"error": "…"}}`, a text for people. With most statuses it has a `code` for programs,
too. `Retry-After` says when another attempt makes sense, if that is known.

| status | code | why |
|---|---|---|
| 400 | `request` | the SDP can't be understood, or exceeds a limit |
| 401 | | the login (HTTP Basic) is missing or wrong |
| 403 | | the request comes from a page of a site that is not in `ALLOWED_ORIGINS` |
| 409 | `request` | the `webrtc_id` is in use |
| 413 | `body` | the offer is too long |
| 421 | | the host is not one of the server's names |
| 422 | | a field is missing or wrong |
| 429 | `rate`, `address`, `day` | this address connects too often, has too many sessions, or has used up its minutes; \
or the day's turns are used up |
| 503 | `full`, `engines` | all places are taken, or no engine of some stage works |

## Sound

{SOUND}

## Limits for messages

{MESSAGE_LIMITS}

A message that is wrong is answered with `error`, and the session goes on. Ignore messages and fields that you do not
know, as the server does with fields.
"""


def document() -> str:
    offer = "\n".join(block(OFFER))
    state = [
        "",
        "### `state`",
        paragraph(
            f"""Everything that the page shows. It comes after `connected`, and when something has changed, at most
            {1 / STATE_INTERVAL_S:g} times a second; the last state is always sent."""
        ),
        "",
        "| field | meaning |",
        "|---|---|",
        *(f"| `{field}` | {meaning} |" for field, meaning in STATE_FIELDS.items()),
        "",
        *block(STATE),
    ]
    lines = [
        HEAD.replace("{offer}", offer),
        "## Messages from the client",
        *messages_of(messages.ClientRequest, "type"),
        "",
        "## Messages from the server",
        *messages_of(messages.SessionMessage, "type"),
        *state,
        *table("`phase`", Phase),
        *table("`stt`, `agent`, `tts`, `playback`", Status),
        *table("`interruption`", InterruptionStatus),
        "",
        "## Statuses of calls",
        *table("`status`", CallStatus),
        "",
        "## Codes of `error`",
        *table("code", ErrorCode),
        *close_codes(),
    ]
    return "\n".join(lines) + "\n"
