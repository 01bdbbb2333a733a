"""Sends a client the events of its session as they happen."""

from __future__ import annotations

from typing import Protocol

from voicebot.dialogue.facts import (
    ErrorRaised,
    Fact,
    ReplyTextAdded,
    ReplyTextCompleted,
    TranscriptChanged,
    TranscriptCompleted,
    VerdictGiven,
)
from voicebot.dialogue.observer import Observer, SessionStep
from voicebot.dialogue.state import State
from voicebot.session.messages import (
    AsrFinal,
    AsrPartial,
    ErrorMessage,
    LlmDelta,
    LlmFinal,
    ServerMessage,
    StateMessage,
    VerdictMessage,
)


class Client(Protocol):
    """The client of a session, which receives messages."""

    def send(self, message: ServerMessage) -> None:
        """Queues a message and returns at once."""
        ...


class EventEmitter(Observer):
    """Sends the client the facts about its session, and the state: when the session begins, and whenever it changes."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._shown: StateMessage | None = None

    def stepped(self, step: SessionStep) -> None:
        for fact in step.facts:
            self._tell(fact)
        if step.changed or self._shown is None:
            self._show(step.state)

    def _tell(self, fact: Fact) -> None:
        match fact:
            case TranscriptChanged(utterance, text):
                self._client.send(AsrPartial(utterance=utterance, text=text))
            case TranscriptCompleted(utterance, text):
                self._client.send(AsrFinal(utterance=utterance, text=text))
            case ReplyTextAdded(reply, text):
                self._client.send(LlmDelta(reply=reply, text=text))
            case ReplyTextCompleted(reply, text):
                self._client.send(LlmFinal(reply=reply, text=text))
            case VerdictGiven(record):
                verdict = record.verdict
                self._client.send(
                    VerdictMessage(
                        number=record.number,
                        decision=verdict.decision.value,
                        rule=verdict.rule,
                        reason=verdict.reason,
                        text=verdict.text,
                        took_ms=round(record.took_s * 1000),
                    )
                )
            case ErrorRaised(error):
                self._client.send(ErrorMessage(code=error.code, message=error.message))

    def _show(self, state: State) -> None:
        shown = StateMessage(
            phase=state.phase,
            stt=state.stt_status,
            agent=state.agent_status,
            tts=state.tts_status,
            playback=state.playback_status,
            interruption=state.interruption_status,
        )
        if shown != self._shown:
            self._shown = shown
            self._client.send(shown)
