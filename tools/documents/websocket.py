"""Describes the protocol of `/ws`, from the models of its messages."""

from __future__ import annotations

from tools.documents.message_tables import close_codes, messages_of, paragraph, table
from voicebot.access.rates import MessageRate
from voicebot.dialogue.errors import ErrorCode
from voicebot.dialogue.state import InterruptionStatus, Phase, Status
from voicebot.dialogue.tool_calls import CallStatus
from voicebot.runtime import limits
from voicebot.session import messages
from voicebot.settings.tuning import Tuning
from voicebot.transports.websocket.playout import CUT_S, MAX_UNHEARD_CLIPS, STALLED_S

RATES_HZ = limits.UPLOAD_RATES_HZ

SPEECH_IN = paragraph(
    f"""A session uses one of two ways. Live: the client sends binary frames of 16-bit little-endian PCM with one
    channel as they are recorded (for example 20 ms each; at most {limits.WS_TEXT_BYTES // 1000} kB), silence too, and
    the server detects where speech begins and ends. Or whole utterances: the client detects speech, and sends
    `speech_start` and then `speech_end` with the recording."""
)

SPEECH_LIMITS = paragraph(
    f"""The bot hears no more audio than the time since the session began, plus a burst of {limits.LIVE_BURST_S:g} s
    for live audio or {limits.UPLOAD_BURST_S:g} s for recordings. Audio that comes faster waits, and is not lost. Audio
    that comes late because the network had stalled is heard at once. When {limits.WS_WAITING_BYTES // 1_000_000} MB
    wait, the server stops reading from the connection; if that much waits for {limits.WS_AHEAD_S:g} s, the session
    ends with `flood`. A recording may have {limits.UPLOAD_S:g} s and {limits.UPLOAD_CHANNELS} channels, at one rate
    from {RATES_HZ[0]} to {RATES_HZ[-1]} Hz. A message of more than
    {limits.WS_BYTES_PER_AUDIO_BYTE * Tuning().ws_max_audio_mb:g} MB closes the connection with the WebSocket close
    code 1009."""
)

SPEECH_OUT = paragraph(
    f"""The server sends numbered clips, and never has more than {MAX_UNHEARD_CLIPS} of them unheard. Play them one
    after the other, without a gap. The bot remembers only what the user has heard. A client that acknowledges clips
    (`clip_played`) reports that to the millisecond, and a word counts as heard once half of it was played. A program
    without sound acknowledges each clip as soon as it comes, and sends its next text when `phase` is `idle`: an
    answer of which nothing was heard counts as not given, and the next message is answered together with the one
    before. For other clients the server estimates it from `client_playback_started`, `client_playback_complete` and
    the durations of the clips. At `stop_playback` a client falls silent, empties its queue and reports how much of
    the stopped clip it has played, within {CUT_S * 1000:g} ms. After `playback_resume` it gets the unheard audio
    again, from where it was
    stopped. If a client that acknowledges clips acknowledges none for {STALLED_S:g} s after one should have ended, the
    answer ends with the error `playback`."""
)

MESSAGE_LIMITS = paragraph(
    f"""A message may have {limits.WS_TEXT_BYTES // 1000} kB, or with a recording more, as said above.
    {Tuning().messages_per_s:g} messages a second are allowed, and {Tuning().messages_per_s * MessageRate.BURST_S:g} at
    once; each further one is ignored and answered with `error`. Ten times as many end the session with `flood`. Of
    texts, {limits.TEXTS_PER_S:g} a second is allowed, and {limits.TEXTS_AT_ONCE} at once. A client that does not read
    for {Tuning().media_timeout_s:g} s loses its session with `slow`."""
)

HEAD = f"""# The WebSocket protocol

Each connection to `ws://HOST:PORT/ws` (`wss://` behind a TLS proxy) carries one conversation. Your program records and
plays the sound; the server decides who speaks when. Binary frames carry live sound to the server. Text frames are JSON
objects: yours have a `type`, the server's an `event`. Ignore messages and fields that you do not know, as the server
does with fields. A message that is wrong is answered with `error`, and the session goes on.
[Two examples](../../examples/README.md) are whole clients of 40 lines.

| query | meaning |
|---|---|
| `rate` | the sampling rate of live audio in Hz, from 8000 to 48000; 16000 without it |
| `conversation` | the conversation to go on with, as named by `connected`; if it no longer exists, a new one begins |
| `pause` | `1`: the client can pause playback, and goes on by itself at `playback_resume` |

If the bot has a login, send it as HTTP Basic with the handshake. The status of the handshake is 401 if the login is
missing or wrong, 403 if it comes from a page of a site that is not in `ALLOWED_ORIGINS`, and 421 if the host is not one
of the server's names. Any other refusal comes over the open connection: `error`, then `closed`, with the same code,
and the WebSocket close code 1013 (try again later), or 1008 if the query is wrong. A session that has begun ends with
`closed` and the WebSocket close code 1000.

## A conversation

`→` is from you, `←` from the server. Most `state` messages are left out.

```text
← connected, state (idle)
→ speech_start                          the user begins to speak
→ speech_end (audio)
← asr.final (text), state (thinking)
← llm.delta … llm.final                 the text of the answer
← play_audio 0, play_audio 1            clips of the answer
→ client_playback_started               clip 0 begins to play
← state (speaking)
→ clip_played 0
→ speech_start                          the user speaks over clip 1
← stop_playback, state (paused)         stop playing, empty the queue
→ clip_played 1, played_ms 730          how much of it was heard
→ speech_end (audio)
← asr.final (“uh-huh”), verdict (resume)
← playback_resume, play_audio 2         the rest of clip 1, from where it was stopped
→ client_playback_started, clip_played 2
← state (idle)
→ bye
← closed (bye)
```

If the user's words are meant for the bot, the verdict is `regenerate`. Then no `playback_resume` comes, but the clips
of a new answer.

## Speech in

{SPEECH_IN}

{SPEECH_LIMITS}

## Speech out

{SPEECH_OUT}

## Limits for messages

{MESSAGE_LIMITS}
"""


def document() -> str:
    lines = [
        HEAD,
        "## Messages from the client",
        *messages_of(messages.ClientMessage, "type"),
        "",
        "## Messages from the server",
        *messages_of(messages.ServerMessage, "event"),
        "",
        "## Values in `state`",
        *table("`phase`", Phase),
        *table("`stt`, `agent`, `tts`, `playback`", Status),
        *table("`interruption`", InterruptionStatus),
        "",
        "## Statuses of calls",
        *table("`status`", CallStatus),
        "",
        "## Codes of `error`",
        *table("code", ErrorCode),
        "",
        "If a session does not begin, `error` has the code of the `closed` that follows.",
        *close_codes(),
    ]
    return "\n".join(lines) + "\n"
