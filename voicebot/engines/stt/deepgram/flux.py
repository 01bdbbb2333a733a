"""Deepgram's listen v2: Flux, which hears by itself when a turn ends; only an end that is known here is forced on it.

After the AsyncAPI description at developers.deepgram.com/asyncapi.yaml and /docs/flux/state, /docs/flux/configuration,
/docs/flux/force-end-turn. Flux needs no messages to be kept open: the socket's pings, each 20 s, do.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from voicebot.audio.sound import SPEECH_RATE_HZ
from voicebot.engines.base import EngineError
from voicebot.engines.stt.deepgram.audio_ledger import FinalizeRequest
from voicebot.engines.stt.deepgram.profiles import Profile, Profiles
from voicebot.engines.stt.deepgram.result import Finality, Result, Word
from voicebot.engines.stt.deepgram.sdk import AsyncDeepgramClient, AsyncV2SocketClient
from voicebot.engines.stt.deepgram.service import ENGINE, Line

PIECE_S = 0.08
"""Recommended for the best turn detection."""

EAGER = 0.5
"""The confidence from which on a turn counts as perhaps over. 0.3 to 0.9; Deepgram's example of low latency has 0.4."""

TIMEOUT_S = 2.0
"""Silence that ends a turn in any case: more than there is in an utterance."""

SILENCE_S = TIMEOUT_S + 0.2
"""Sent where a turn can't be forced to end: self-hosted services don't know how."""

NO_TURN = "FORCE_END_TURN_NO_ACTIVE_TURN"
UNKNOWN_MESSAGE = "UNPARSABLE_CLIENT_MESSAGE"

FINALITY = {
    "StartOfTurn": Finality.INTERIM,
    "Update": Finality.INTERIM,
    "EagerEndOfTurn": Finality.EAGER,
    "TurnResumed": Finality.RESUMED,
    "EndOfTurn": Finality.FINAL,
}


class Flux:
    at_pauses = False
    piece_s = PIECE_S

    def __init__(self, client: AsyncDeepgramClient, model: str, language: str, open_timeout_s: float) -> None:
        self._client = client
        self._profiles = Profiles(ENGINE, _profiles(model, language), open_timeout_s)
        self.can_force = True
        """Until the service says that it does not know the message."""

    @asynccontextmanager
    async def line(self) -> AsyncIterator[Line]:
        async with AsyncExitStack() as stack:
            yield FluxLine(self, await self._profiles.open(_FluxOpener(self._client, stack)))


@dataclass(frozen=True, slots=True)
class _FluxOpener:
    """Opens connections that are closed with the stack."""

    client: AsyncDeepgramClient
    stack: AsyncExitStack

    async def open(self, profile: Profile) -> AsyncV2SocketClient:
        connecting = self.client.listen.v2.connect(**profile)
        socket: AsyncV2SocketClient = await self.stack.enter_async_context(connecting)
        try:
            greeting = _message(await socket.recv())
        except ValueError:
            greeting = None
        if not isinstance(greeting, _Connected):
            raise EngineError(ENGINE, "the answer is not one of Deepgram's")
        return socket


class FluxLine:
    def __init__(self, service: Flux, socket: AsyncV2SocketClient) -> None:
        self._service = service
        self._socket = socket
        self._forcing = service.can_force

    async def send(self, pcm: bytes) -> None:
        await self._socket.send_media(pcm)

    async def ask(self, request: FinalizeRequest) -> float | None:
        """At a pause Flux is not asked: it tells by itself what it thinks of it."""
        if not request.closing:
            return None
        if not self._forcing:
            return SILENCE_S
        await self._socket.send_force_end_turn()
        return 0.0

    def insist(self) -> float | None:
        if not self._forcing:
            return None
        self._forcing = False
        return SILENCE_S

    async def keep_alive(self) -> None:
        """Flux knows no message for it."""

    async def results(self) -> AsyncGenerator[Result]:
        async with aclosing(aiter(self._socket)) as messages:
            async for message in messages:
                match _message(message):
                    case _TurnInfo() as turn if turn.event in FINALITY:
                        yield _result(turn)
                    case _Warning(code=code) if code == NO_TURN:
                        yield Result("", (), None, Finality.FINAL, answer=True)
                    case _Error(code=code):
                        if code == UNKNOWN_MESSAGE and self._forcing:
                            self._service.can_force = False
                        named = f" ({code})" if re.fullmatch(r"[A-Z0-9_-]{1,60}", code) else ""
                        raise EngineError(ENGINE, f"the service gave up{named}")
                    case _:
                        pass


def _profiles(model: str, language: str) -> list[Profile]:
    plain: Profile = {"model": model, "encoding": "linear16", "sample_rate": SPEECH_RATE_HZ}
    if model.endswith("-multi"):
        plain["language_hint"] = language
    usual = plain | {"eager_eot_threshold": EAGER, "eot_timeout_ms": round(1000 * TIMEOUT_S)}
    return [usual | {"numerals": "true"}, usual, plain]


class _Message(BaseModel):
    """The SDK does not check what it makes of a message: any field may be missing, or of another type."""

    model_config = ConfigDict(from_attributes=True, allow_inf_nan=False)


class _Connected(_Message):
    type: Literal["Connected"]


class _Word(_Message):
    word: str
    confidence: float = 0.0
    start: float | None = Field(None, ge=0)
    end: float | None = Field(None, ge=0)


class _TurnInfo(_Message):
    type: Literal["TurnInfo"]
    event: str
    audio_window_end: float = Field(ge=0)
    transcript: str
    words: list[_Word]
    trigger: str | None = None


class _Warning(_Message):
    type: Literal["Warning"]
    code: str


class _Error(_Message):
    type: Literal["Error"]
    code: str = ""


_MESSAGES: TypeAdapter[_Connected | _TurnInfo | _Warning | _Error] = TypeAdapter(
    Annotated[_Connected | _TurnInfo | _Warning | _Error, Field(discriminator="type")]
)


def _message(message: object) -> _Connected | _TurnInfo | _Warning | _Error | None:
    """None for what is of no interest, or makes no sense."""
    try:
        return _MESSAGES.validate_python(message, from_attributes=True)
    except ValidationError:
        return None


def _result(turn: _TurnInfo) -> Result:
    """Services of before July 2026 don't tell when the words were: they count as said at the end."""
    end_s = turn.audio_window_end
    words = tuple(
        Word(word.word, word.start, word.end, word.confidence)
        if word.start is not None and word.end is not None
        else Word(word.word, end_s, end_s, word.confidence)
        for word in turn.words
    )
    return Result(
        turn.transcript.strip(),
        words,
        end_s,
        FINALITY[turn.event],
        answer=turn.trigger == "manual",
        turn_over=turn.event == "EndOfTurn" and turn.trigger in (None, "model"),
    )
