"""What a client is told of the session, as it happens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from voicebot.core.facts import (
    ErrorRaised,
    Fact,
    ReplyCancelled,
    ReplyCommitted,
    ReplyFinished,
    ReplyTextCompleted,
    TranscriptChanged,
    TranscriptCompleted,
    VerdictReached,
)
from voicebot.core.state import State
from voicebot.observer import Observer, SessionStep
from voicebot.transports.ws.protocol import (
    AsrFinal,
    AsrPartial,
    Error,
    LlmDelta,
    LlmFinal,
    ServerMessage,
    StateChanged,
    VerdictGiven,
)


class Narrator(Observer):
    """Follows one session and sends what has happened in it."""

    def __init__(self, send: Callable[[ServerMessage], None]) -> None:
        self._send = send
        self._live: int | None = None
        """The reply whose text may be told: none that is cancelled, or kept back as the user may still go on."""
        self._streaming = 0
        self._pieces: list[str] = []
        """What came of that reply's text and was not told yet."""
        self._shown: StateChanged | None = None

    def stream(self, reply: int, text: str) -> None:
        """A piece of a reply's text. What comes at once is told at once."""
        if reply != self._streaming:
            self._streaming = reply
            self._pieces.clear()
        if not self._pieces and reply == self._live:
            asyncio.get_running_loop().call_soon(self._tell_pieces)
        self._pieces.append(text)

    def stepped(self, step: SessionStep) -> None:
        for fact in step.facts:
            self._tell(fact)
        if step.changed:
            self._show(step.state)

    def _tell(self, fact: Fact) -> None:
        match fact:
            case TranscriptChanged(utterance, text):
                self._send(AsrPartial(utterance=utterance, text=text))
            case TranscriptCompleted(utterance, text):
                self._send(AsrFinal(utterance=utterance, text=text))
            case ReplyCommitted(reply):
                self._live = reply
                self._tell_pieces()
            case ReplyTextCompleted(reply, text):
                self._tell_pieces()
                self._send(LlmFinal(reply=reply, text=text))
            case ReplyCancelled() | ReplyFinished():
                self._live = None
            case VerdictReached(ruling):
                verdict = ruling.verdict
                self._send(
                    VerdictGiven(
                        number=ruling.number,
                        decision=verdict.decision.value,
                        rule=verdict.rule,
                        reason=verdict.reason,
                        text=verdict.text,
                        took_ms=round(ruling.took_s * 1000),
                    )
                )
            case ErrorRaised(message):
                self._send(Error(message=message))

    def _show(self, state: State) -> None:
        shown = StateChanged(
            phase=state.phase.value,
            stt=state.stt_status.value,
            agent=state.agent_status.value,
            tts=state.tts_status.value,
            playback=state.playback_status.value,
            interruption=state.interruption_status.value,
        )
        if shown != self._shown:
            self._shown = shown
            self._send(shown)

    def _tell_pieces(self) -> None:
        if self._streaming == self._live and self._pieces:
            self._send(LlmDelta(reply=self._streaming, text="".join(self._pieces)))
            self._pieces.clear()
