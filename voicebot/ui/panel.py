"""What the page shows of a session: a pure function from the machine's state to plain JSON values."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from statistics import median
from typing import Any

from voicebot.core.history import Role, merged
from voicebot.core.state import Ruling, State, Turn

MAX_MESSAGES = 60
MAX_CHAT_CHARS = 12_000
"""Older messages are left out: a data channel's message may have 64 kB (RFC 8841's default), and goes out often."""

MAX_RULINGS = 5

STAGES = (
    ("end of turn", "turn_ended_s"),
    ("final text", "transcript_s"),
    ("first token", "token_s"),
    ("first sentence", "sentence_s"),
    ("first audio", "audio_s"),
    ("first frame", "frame_s"),
)
"""The steps from the end of speech to the first frame of the answer, in their order."""


def view(state: State) -> dict[str, Any]:
    """Everything the page draws, whole: it never has to remember what was before. `older` messages are left out."""
    messages = chat(state)
    shown = latest(messages)
    return {
        "type": "state",
        "phase": state.phase.value,
        "chat": shown,
        "older": len(messages) - len(shown),
        "status": {
            "stt": state.stt_status.value,
            "agent": state.agent_status.value,
            "tts": state.tts_status.value,
            "playback": state.playback_status.value,
            "interruption": state.interruption_status.value,
        },
        "rulings": [ruling_view(ruling) for ruling in reversed(state.rulings[-MAX_RULINGS:])],
        "turn": turn_view(state.turn),
        "medians": medians(state.turns),
        "error": state.error,
    }


def chat(state: State) -> list[dict[str, Any]]:
    """The conversation, oldest first. `heard` and `unheard` are the assistant's words on either side of the cursor."""
    messages: list[dict[str, Any]] = [
        {"role": "user", "text": message.text, "interim": False}
        if message.role is Role.USER
        else {
            "role": "assistant",
            "heard": message.text,
            "unheard": "",
            "interrupted": message.interrupted,
            "live": False,
        }
        for message in state.history
    ]
    reply = state.reply
    if reply is not None and not reply.forgotten and reply.sentences:
        messages.append(
            {
                "role": "assistant",
                "heard": reply.heard,
                "unheard": reply.unheard,
                "interrupted": reply.cancelled,
                "live": True,
            }
        )
    waiting = merged(state.pending)
    if waiting:
        messages.append({"role": "user", "text": waiting, "interim": False})
    interim = merged(utterance.text for utterance in state.utterances)
    if interim or state.speaking:
        messages.append({"role": "user", "text": interim, "interim": True})
    return messages


def latest(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The last messages: as many as the limits above allow, but at least one."""
    chars = 0
    for count, message in enumerate(reversed(messages)):
        chars += sum(len(value) for value in message.values() if isinstance(value, str))
        if count and (count == MAX_MESSAGES or chars > MAX_CHAT_CHARS):
            return messages[-count:]
    return messages


def ruling_view(ruling: Ruling) -> dict[str, Any]:
    verdict = ruling.verdict
    return {
        "decision": verdict.decision.value,
        "rule": verdict.rule,
        "reason": verdict.reason,
        "text": verdict.text,
        "took_ms": round(ruling.took_s * 1000),
    }


def turn_view(turn: Turn | None) -> list[dict[str, Any]]:
    """The steps of a turn that have come: when each began and ended, in ms since the user fell silent."""
    if turn is None:
        return []
    times = [("end of speech", turn.speech_ended_s)]
    times += [(name, at_s) for name, field in STAGES if (at_s := getattr(turn, field)) is not None]
    return [
        {"name": name, "from_ms": _ms(before - turn.speech_ended_s), "to_ms": _ms(at - turn.speech_ended_s)}
        for (_, before), (name, at) in pairwise(times)
    ]


def medians(turns: Iterable[Turn]) -> dict[str, int]:
    """Median response gap and length of each step, in ms, over the answered turns that were spoken, not typed."""
    views = [turn_view(turn) for turn in turns if turn.transcript_s != turn.speech_ended_s]
    names = [name for name, _ in STAGES]
    lengths = {
        name: [stage["to_ms"] - stage["from_ms"] for view in views for stage in view if stage["name"] == name]
        for name in names
    }
    gaps = [view[-1]["to_ms"] for view in views if view]
    result = {name: round(median(values)) for name, values in lengths.items() if values}
    return {"response gap": round(median(gaps)), **result} if gaps else {}


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
