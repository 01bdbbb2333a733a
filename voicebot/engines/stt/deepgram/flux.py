"""Deepgram's listen v2, for Flux. It hears by itself when a turn ends; the bot only forces an end that it knows of.

Sources: the AsyncAPI description at developers.deepgram.com/asyncapi.yaml, /docs/flux/state, /docs/flux/configuration
and /docs/flux/force-end-turn. No messages are needed to keep a connection open: the socket's pings each 20 s do that.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing

from pydantic import ValidationError

from voicebot.audio.sound import SPEECH_RATE_HZ
from voicebot.engines.errors import EngineError
from voicebot.engines.stt.deepgram.messages import (
    FLUX_MESSAGE,
    FluxMessage,
    Greeting,
    ServiceError,
    ServiceWarning,
    TurnInfo,
)
from voicebot.engines.stt.deepgram.protocol import (
    ENGINE,
    Finality,
    ListenConnection,
    ListenService,
    Parameters,
    StreamResult,
)
from voicebot.engines.stt.deepgram.sdk import NOT_DEEPGRAM, AsyncDeepgramClient, AsyncV2SocketClient

MIN_CHUNK_S = 0.08
"""Deepgram recommends pieces of 80 ms for the best turn detection."""

EAGER_THRESHOLD = 0.5
"""The confidence from which on a turn counts as perhaps over (0.3 to 0.9). Deepgram's low-latency example has 0.4."""

TURN_TIMEOUT_S = 2.0
"""Silence that ends a turn in any case. No utterance contains that much."""

CLOSING_SILENCE_S = TURN_TIMEOUT_S + 0.2
"""The silence that ends the turn where the service cannot be forced to end it, as self-hosted ones cannot."""

NO_ACTIVE_TURN = "FORCE_END_TURN_NO_ACTIVE_TURN"
UNKNOWN_MESSAGE = "UNPARSABLE_CLIENT_MESSAGE"

FINALITY = {
    "StartOfTurn": Finality.INTERIM,
    "Update": Finality.INTERIM,
    "EagerEndOfTurn": Finality.EAGER,
    "TurnResumed": Finality.RESUMED,
    "EndOfTurn": Finality.FINAL,
}


class Flux(ListenService):
    """The service for listen v2."""

    finalizes_at_pauses = False
    min_chunk_s = MIN_CHUNK_S

    def __init__(self, client: AsyncDeepgramClient, model: str, language: str, open_timeout_s: float) -> None:
        super().__init__(_parameter_sets(model, language), open_timeout_s)
        self._client = client
        self.can_force_end = True
        """False once the service has said that it does not know the message that forces the end."""

    async def _open(self, parameters: Parameters, stack: AsyncExitStack) -> ListenConnection:
        socket = await stack.enter_async_context(self._client.listen.v2.connect(**parameters))
        try:
            greeting = _message_of(await socket.recv())
        except ValueError:
            greeting = None
        if not isinstance(greeting, Greeting):
            raise EngineError(ENGINE, NOT_DEEPGRAM)
        return FluxConnection(self, socket)


class FluxConnection:
    """A connection to listen v2."""

    def __init__(self, service: Flux, socket: AsyncV2SocketClient) -> None:
        self._service = service
        self._socket = socket
        self._forces_end = service.can_force_end

    async def send_audio(self, pcm: bytes) -> None:
        await self._socket.send_media(pcm)

    async def request_final(self, *, closing: bool) -> float | None:
        """Forces the turn to end if the utterance is over. At a pause Flux itself tells whether the turn has ended."""
        if not closing:
            return None
        if not self._forces_end:
            return CLOSING_SILENCE_S
        await self._socket.send_force_end_turn()
        return 0.0

    def request_final_differently(self) -> float | None:
        if not self._forces_end:
            return None
        self._forces_end = False
        return CLOSING_SILENCE_S

    async def keep_alive(self) -> None:
        """Does nothing: listen v2 has no message for it."""

    async def results(self) -> AsyncGenerator[StreamResult]:
        async with aclosing(aiter(self._socket)) as messages:
            async for message in messages:
                match _message_of(message):
                    case TurnInfo() as turn if turn.event in FINALITY:
                        yield _result_of(turn)
                    case ServiceWarning(code=code) if code == NO_ACTIVE_TURN:
                        yield StreamResult("", (), None, Finality.FINAL, answer=True)
                    case ServiceError(code=code):
                        if code == UNKNOWN_MESSAGE and self._forces_end:
                            self._service.can_force_end = False
                        named = f" ({code})" if re.fullmatch(r"[A-Z0-9_-]{1,60}", code) else ""
                        raise EngineError(ENGINE, f"the service gave up{named}")
                    case _:
                        pass


def _parameter_sets(model: str, language: str) -> list[Parameters]:
    plain: Parameters = {"model": model, "encoding": "linear16", "sample_rate": SPEECH_RATE_HZ}
    if model.endswith("-multi"):
        plain["language_hint"] = language
    usual = plain | {"eager_eot_threshold": EAGER_THRESHOLD, "eot_timeout_ms": round(1000 * TURN_TIMEOUT_S)}
    return [usual | {"numerals": "true"}, usual, plain]


def _message_of(message: object) -> FluxMessage | None:
    """Returns the message; None if it is of no interest or makes no sense."""
    try:
        return FLUX_MESSAGE.validate_python(message, from_attributes=True)
    except ValidationError:
        return None


def _result_of(turn: TurnInfo) -> StreamResult:
    end_s = turn.audio_window_end
    return StreamResult(
        turn.transcript.strip(),
        tuple(word.with_times(end_s) for word in turn.words),
        end_s,
        FINALITY[turn.event],
        answer=turn.trigger == "manual",
        turn_over=turn.event == "EndOfTurn" and turn.trigger in (None, "model"),
    )
