"""What the page shows of a session: a pure function from the machine's state to plain JSON values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import Any

from voicebot.core.events import EngineServed
from voicebot.core.history import Role, merged
from voicebot.core.state import Ruling, State, Turn
from voicebot.core.verdict import Decision
from voicebot.core.verdict_case import Case
from voicebot.ui.budget import judged

MAX_MESSAGES = 60
MAX_CHAT_CHARS = 12_000
"""Older messages are left out: a data channel's message may have 64 kB (RFC 8841's default), and goes out often."""

MAX_RULINGS = 5


@dataclass(frozen=True, slots=True)
class Step:
    """One step from the end of speech to the first frame of the answer. `came` is the field of `Turn` that tells when.

    `after` are the steps it may have waited for, beside the end of speech. An eager reply is made while the bot makes
    sure that the user is done: only its first frame waits for the end of the turn.
    """

    name: str
    came: str
    after: tuple[str, ...]
    meaning: str


BEGUN = "begun"
"""When the reply was begun: no step of its own, but what the first token waits for."""

STEPS = (
    Step("end of turn", "turn_ended_s", (), "until the bot was sure that you would not go on"),
    Step("final text", "transcript_s", (), "until all your words were known"),
    Step(
        "first token",
        "token_s",
        (BEGUN,),
        "until the agent began to answer, which it may do while you might still go on",
    ),
    Step("first sentence", "sentence_s", ("first token",), "until there was a sentence to speak"),
    Step("first audio", "audio_s", ("first sentence",), "until its sound began to come"),
    Step("first frame", "frame_s", ("first audio", "end of turn"), "until it was played, once your turn was over"),
)


def view(state: State) -> dict[str, Any]:
    """Everything the page draws, whole: it never has to remember what was before. `older` messages are left out."""
    messages = chat(state)
    shown = latest(messages)
    turn = turn_view(state.turn)
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
        "engines": {served.stage.value: serving_view(served) for served in state.serving},
        "rulings": [ruling_view(ruling) for ruling in reversed(state.rulings[-MAX_RULINGS:])],
        "turn": turn,
        "budget": judged(turn),
        "medians": medians(state.turns),
        "error": state.error,
    }


def serving_view(served: EngineServed) -> dict[str, Any]:
    """The engine at work, and why it is not one that would come before it."""
    return {"name": served.engine, "reasons": list(served.reasons)}


def chat(state: State) -> list[dict[str, Any]]:
    """The conversation, oldest first. `heard` and `unheard` are the assistant's words on either side of the cursor.

    A reply begun eagerly is not shown before the turn is the bot's.
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
    if reply is not None and reply.sentences and not (reply.eager or reply.forgotten):
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
    """The verdict; a disputed one with the `case` to be recorded, a line of `verdict_case`."""
    verdict = ruling.verdict
    case = {"case": case_of(ruling).to_line()} if ruling.disputed else {}
    return case | {
        "number": ruling.number,
        "decision": verdict.decision.value,
        "rule": verdict.rule,
        "reason": verdict.reason,
        "text": verdict.text,
        "took_ms": _ms(ruling.took_s),
        "disputed": ruling.disputed,
    }


def case_of(ruling: Ruling) -> Case:
    """What the user says who disputes the verdict: that the opposite was right."""
    verdict = ruling.verdict
    expected = Decision.REGENERATE if verdict.decision is Decision.RESUME else Decision.RESUME
    why = f"disputed: {verdict.decision.value} by the rule “{verdict.rule}”"
    return Case(ruling.context, verdict.text, final=True, expected=expected, why=why)


def turn_view(turn: Turn | None) -> list[dict[str, Any]]:
    """The steps of a turn that have come, in ms since the user fell silent.

    Each runs from the last thing that it waited for to its own coming. What came while the user still spoke (an eager
    reply that was right after all) counts as there from the start.
    """
    if turn is None:
        return []
    fields = {step.name: step.came for step in STEPS} | {BEGUN: "begun_s"}
    came = {
        name: max(0, _ms(at_s - turn.speech_ended_s))
        for name, field in fields.items()
        if (at_s := getattr(turn, field)) is not None
    }
    return [
        {"name": step.name, "from_ms": _began_ms(step, came), "to_ms": came[step.name]}
        for step in STEPS
        if step.name in came
    ]


def _began_ms(step: Step, came: dict[str, int]) -> int:
    """When the step could begin: all that it waits for had come."""
    return max((came[name] for name in step.after if name in came), default=0)


def medians(turns: Iterable[Turn]) -> dict[str, int]:
    """Median response gap and length of each step, in ms, over the answered turns that were spoken, not typed."""
    views = [turn_view(turn) for turn in turns if not turn.typed]
    lengths = {
        step.name: [shown["to_ms"] - shown["from_ms"] for view in views for shown in view if shown["name"] == step.name]
        for step in STEPS
    }
    gaps = [view[-1]["to_ms"] for view in views if view]
    result = {name: round(median(values)) for name, values in lengths.items() if values}
    return {"response gap": round(median(gaps)), **result} if gaps else {}


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
