"""Draws the state diagram of the machine by exploring it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from voicebot.dialogue.events import (
    FinalTranscript,
    Input,
    InterruptPressed,
    PartialTranscript,
    PlaybackFinished,
    PlaybackStarted,
    ReplyEnded,
    SentencePlayed,
    SentenceReady,
    SessionStarted,
    SpeechCleared,
    SpeechContinued,
    SpeechEnded,
    SpeechPaused,
    SpeechStarted,
    SpeechSuspected,
    TextEnded,
    TextTyped,
    TimedOut,
    Timer,
)
from voicebot.dialogue.interruption.verdict import Speech
from voicebot.dialogue.machine import step
from voicebot.dialogue.state import Phase, Rules, State

TIMEOUTS = {
    Timer.DEBOUNCE: "debounce over",
    Timer.SPEECH: "speech too long",
    Timer.VERDICT: "deadline",
    Timer.TRANSCRIPT: "recogniser too slow",
    Timer.IDLE: "nobody speaks for long",
    Timer.CONFIRMATION: "no answer to a question that needs a yes",
}

TEXTS = {"no words": "", "backchannel": "uh-huh", "words": "what time is it", "stop word": "stop"}

SPEECH = Speech(duration_s=1.0)

RULES = Rules(idle_timeout_s=60.0)


def diagram() -> str:
    """Returns a Mermaid state diagram of all possible changes of phase, each with its causes."""
    causes: dict[tuple[Phase, Phase], list[str]] = {}
    for before, cause, after in sorted(_changes(), key=lambda change: [str(part) for part in change]):
        causes.setdefault((before, after), []).append(cause)
    phases = list(Phase)
    lines = ["stateDiagram-v2", f"    [*] --> {Phase.IDLE}"]
    for (before, after), labels in sorted(causes.items(), key=lambda item: [phases.index(phase) for phase in item[0]]):
        lines.append(f"    {before} --> {after}: {' / '.join(labels)}")
    return "\n".join(lines)


def _changes() -> set[tuple[Phase, str, Phase]]:
    """Explores, breadth first, all states that differ in more than their texts and numbers."""
    changes: set[tuple[Phase, str, Phase]] = set()
    seen: set[object] = set()
    start, *_ = step(State(rules=RULES), SessionStarted(), 0.0)
    waiting = deque([start])
    while waiting:
        state = waiting.popleft()
        for cause, input in _possible(state):
            after, *_ = step(state, input, 0.0)
            if after.phase is not state.phase:
                changes.add((state.phase, cause, after.phase))
            if (outline := _outline(after)) not in seen:
                seen.add(outline)
                waiting.append(after)
    return changes


def _possible(state: State) -> Iterator[tuple[str, Input]]:
    """Yields the inputs that are possible in a state, each with a name."""
    if state.suspected:
        yield "it was no speech", SpeechCleared()
    elif not state.utterances:
        yield "speech suspected", SpeechSuspected()
    if not state.utterances:
        yield "user speaks", SpeechStarted(state.last_utterance + 1)
    for utterance in state.utterances:
        number, pause = utterance.number, utterance.pause
        if not utterance.speaking:
            for name, text in TEXTS.items():
                yield name, FinalTranscript(number, text)
        elif pause is None:
            yield "user pauses", SpeechPaused(number, utterance.last_pause + 1, speech=SPEECH)
            yield "user falls silent", SpeechEnded(number, speech=SPEECH)
        else:
            yield "user speaks on", SpeechContinued(number)
            yield "user falls silent", SpeechEnded(number, speech=SPEECH)
            for name, text in TEXTS.items():
                yield f"{name} at a pause", PartialTranscript(number, text, pause)
    for timer, token in state.timers:
        yield TIMEOUTS[timer], TimedOut(timer, token)
    yield "text typed", TextTyped("hello")
    yield "interrupt pressed", InterruptPressed()
    reply = state.reply
    if reply is not None:
        if not reply.sentences:
            yield "first sentence", SentenceReady(reply.number, 0, "Hello.")
        elif not reply.text_ended:
            yield "text ended", TextEnded(reply.number)
        elif not reply.started and not reply.paused:
            yield "first frame", PlaybackStarted(reply.number)
        elif not reply.played and not reply.paused:
            yield "sentence played", SentencePlayed(reply.number, 0)
        elif not reply.finished and not reply.paused:
            yield "last frame", PlaybackFinished(reply.number)
        if reply.cancelled or reply.finished:
            yield "reply ended", ReplyEnded(reply.number)


def _outline(state: State) -> object:
    """Returns everything that decides what can happen next: only one state of each outline is explored."""
    reply = state.reply
    return (
        state.phase,
        tuple(
            (each.speaking, each.dismissed, each.pause is None, each.settled, each.text) for each in state.utterances
        ),
        state.suspected,
        state.idle_stage,
        bool(state.pending),
        frozenset(timer for timer, _ in state.timers),
        reply and (reply.sentences, reply.text_ended, reply.started, reply.played, reply.finished),
        reply and (reply.paused, reply.cancelled, reply.preemptive),
    )
