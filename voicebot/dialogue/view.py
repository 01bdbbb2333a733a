"""The view of a session for its client: pure functions from the machine's state to plain JSON values."""

from __future__ import annotations

from typing import Any

from voicebot.dialogue.events import EngineReported
from voicebot.dialogue.history import Role, merged
from voicebot.dialogue.interruption.verdict import Decision
from voicebot.dialogue.interruption.verdict_case import VerdictCase
from voicebot.dialogue.state import State, VerdictRecord
from voicebot.dialogue.timings import medians, response_budget, turn_view
from voicebot.dialogue.tool_calls import CallRecord
from voicebot.languages.loader import language_of

MAX_MESSAGES = 60
MAX_CHAT_CHARS = 12_000
"""Older messages are left out: a data channel's message may have 64 kB (the default of RFC 8841), and is sent often."""

MAX_CALL_CHARS = 500
"""The arguments and the result of a call are cut to this length: they are only shown to people."""

MAX_VERDICTS = 5


def view(state: State) -> dict[str, Any]:
    """Returns everything that the page draws, so that it need not remember anything. `older` messages are left out."""
    messages = chat(state)
    shown = latest(messages)
    turn, error = turn_view(state.turn), state.error
    return {
        "type": "state",
        "phase": state.phase.value,
        "handed_over": state.handed_over,
        "chat": shown,
        "older": len(messages) - len(shown),
        "status": {
            "stt": state.stt_status.value,
            "agent": state.agent_status.value,
            "tts": state.tts_status.value,
            "playback": state.playback_status.value,
            "interruption": state.interruption_status.value,
        },
        "engines": {served.stage.value: engine_view(served) for served in state.engines_in_use},
        "verdicts": [verdict_view(record) for record in reversed(state.verdicts[-MAX_VERDICTS:])],
        "turn": turn,
        "ended_by": state.turn.ended_by if state.turn else "",
        "budget": response_budget(turn),
        "medians": medians(state.turns),
        "confirmation": confirmation_view(state),
        "error": None if error is None else {"code": error.code.value, "message": error.message},
    }


def engine_view(served: EngineReported) -> dict[str, Any]:
    """Returns the engine at work, and why each engine that is preferred to it is not."""
    return {"name": served.engine, "reasons": list(served.reasons)}


def chat(state: State) -> list[dict[str, Any]]:
    """Returns the messages and the calls of tools with effects, oldest first.

    `heard` and `unheard` are the assistant's words before and after the cursor.

    A preemptive reply is not among them before the user's turn is over, and a wrong start is removed at once. Words
    that wait for an answer join the message that they will be part of.
    """
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
    hidden = reply is None or reply.preemptive or reply.forgotten or reply.wrong_start
    if reply is not None and not hidden and (reply.sentences or reply.heard_before):
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
    if waiting and state.merge_next and messages and messages[-1]["role"] == "user":
        messages[-1]["text"] = merged([messages[-1]["text"], waiting])
    elif waiting:
        messages.append({"role": "user", "text": waiting, "interim": False})
    interim = merged(utterance.text for utterance in state.utterances)
    if interim or state.speaking:
        messages.append({"role": "user", "text": interim, "interim": True})
    return _with_calls(messages, state)


def _with_calls(messages: list[dict[str, Any]], state: State) -> list[dict[str, Any]]:
    """Adds the calls at their places: before the message that their `position` counts up to."""
    for before, call in enumerate(sorted(state.calls, key=lambda call: call.position)):
        messages.insert(min(call.position, len(state.history)) + before, call_view(call))
    return messages


def call_view(call: CallRecord) -> dict[str, Any]:
    """Returns the call, with as much of its arguments and its result as is shown."""
    return {
        "role": "tool",
        "id": call.id,
        "tool": call.tool,
        "status": call.status.value,
        "arguments": _shown(call.arguments),
        "result": _shown(call.result),
    }


def confirmation_view(state: State) -> dict[str, Any] | None:
    """Returns the question that the user's next words answer, and the texts that answer it if they are typed."""
    pending = state.confirmation
    if pending is None:
        return None
    yes, no = language_of(state.rules.language).confirmation.buttons
    call = pending.request.call
    return {"id": call.id, "tool": call.tool, "question": pending.request.question, "yes": yes, "no": no}


def _shown(text: str) -> str:
    return text if len(text) <= MAX_CALL_CHARS else f"{text[:MAX_CALL_CHARS]}…"


def latest(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns the last messages, as many as the limits above allow, but at least one."""
    chars = 0
    for count, message in enumerate(reversed(messages)):
        chars += sum(len(value) for value in message.values() if isinstance(value, str))
        if count and (count == MAX_MESSAGES or chars > MAX_CHAT_CHARS):
            return messages[-count:]
    return messages


def verdict_view(record: VerdictRecord) -> dict[str, Any]:
    """Returns the verdict; if it is disputed, with the `case` to record, a line as `verdict_case` writes it."""
    verdict = record.verdict
    case = {"case": verdict_case_of(record).to_line()} if record.disputed else {}
    return case | {
        "number": record.number,
        "decision": verdict.decision.value,
        "rule": verdict.rule,
        "reason": verdict.reason,
        "text": verdict.text,
        "took_ms": _ms(record.took_s),
        "disputed": record.disputed,
    }


def verdict_case_of(record: VerdictRecord) -> VerdictCase:
    """Returns the case that a user means who disputes the verdict: the opposite decision was right."""
    verdict = record.verdict
    expected = Decision.REGENERATE if verdict.decision is Decision.RESUME else Decision.RESUME
    why = f"disputed: {verdict.decision.value} by the rule “{verdict.rule}”"
    return VerdictCase(record.context, verdict.text, final=True, expected=expected, why=why)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
