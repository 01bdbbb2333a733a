"""What a client is told of the session: the difference between one state and the next."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from voicebot.core.events import FinalTranscript, Input, PartialTranscript
from voicebot.core.history import merged
from voicebot.core.state import State
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


class Narrator:
    """Follows one session and says what is new."""

    def __init__(self, send: Callable[[ServerMessage], None]) -> None:
        self._send = send
        self._texts: dict[int, str] = {}
        """Of the utterances whose end was not told yet."""
        self._live: int | None = None
        """The reply whose text may be told: none that is cancelled, or kept back as the user may still go on."""
        self._streaming = 0
        self._pieces: list[str] = []
        """What came of that reply's text and was not told yet."""
        self._final = 0
        """The last reply whose whole text was told."""
        self._ruling = 0
        self._error: str | None = None
        self._shown: StateChanged | None = None

    def witness(self, input: Input) -> None:
        """What is going to change the state."""
        if isinstance(input, PartialTranscript | FinalTranscript) and input.utterance in self._texts:
            text = merged([input.text])
            if isinstance(input, PartialTranscript) and text != self._texts[input.utterance]:
                self._send(AsrPartial(utterance=input.utterance, text=text))
            self._texts[input.utterance] = text

    def stream(self, reply: int, text: str) -> None:
        """A piece of a reply's text. What comes at once is told at once."""
        if reply != self._streaming:
            self._streaming = reply
            self._pieces.clear()
        if not self._pieces and reply == self._live:
            asyncio.get_running_loop().call_soon(self._tell_pieces)
        self._pieces.append(text)

    def tell(self, state: State) -> None:
        """The new state."""
        self._tell_utterances(state)
        self._tell_reply(state)
        for ruling in state.rulings:
            if ruling.number > self._ruling:
                self._ruling = ruling.number
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
        if state.error is not None and state.error != self._error:
            self._send(Error(message=state.error))
        self._error = state.error
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

    def _tell_utterances(self, state: State) -> None:
        live = {utterance.number for utterance in state.utterances}
        for number in sorted(self._texts.keys() - live):
            self._send(AsrFinal(utterance=number, text=self._texts.pop(number)))
        for number in live - self._texts.keys():
            self._texts[number] = ""

    def _tell_reply(self, state: State) -> None:
        reply = state.reply
        if reply is None or reply.eager or reply.cancelled:
            self._live = None
            return
        self._live = reply.number
        self._tell_pieces()
        if reply.text_ended and reply.number != self._final:
            self._final = reply.number
            self._send(LlmFinal(reply=reply.number, text=merged(reply.sentences)))

    def _tell_pieces(self) -> None:
        if self._streaming == self._live and self._pieces:
            self._send(LlmDelta(reply=self._streaming, text="".join(self._pieces)))
            self._pieces.clear()
