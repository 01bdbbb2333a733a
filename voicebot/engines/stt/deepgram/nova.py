"""Deepgram's listen v1: Nova and the older models, which transcribe; when words are wanted at once they are asked for.

After the AsyncAPI description at developers.deepgram.com/asyncapi.yaml and /docs/finalize, /docs/audio-keep-alive.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from voicebot.audio.sound import SPEECH_RATE_HZ
from voicebot.engines.stt.deepgram.audio_ledger import FinalizeRequest
from voicebot.engines.stt.deepgram.profiles import Profile, Profiles
from voicebot.engines.stt.deepgram.result import Finality, Result, Word
from voicebot.engines.stt.deepgram.sdk import AsyncDeepgramClient, AsyncV1SocketClient
from voicebot.engines.stt.deepgram.service import ENGINE, Line


class Nova:
    at_pauses = True
    piece_s = 0.0

    def __init__(self, client: AsyncDeepgramClient, model: str, language: str, open_timeout_s: float) -> None:
        self._client = client
        self._profiles = Profiles(ENGINE, _profiles(model, language), open_timeout_s)

    @asynccontextmanager
    async def line(self) -> AsyncIterator[Line]:
        async with AsyncExitStack() as stack:
            yield NovaLine(await self._profiles.open(_NovaOpener(self._client, stack)))


@dataclass(frozen=True, slots=True)
class _NovaOpener:
    """Opens connections that are closed with the stack."""

    client: AsyncDeepgramClient
    stack: AsyncExitStack

    async def open(self, profile: Profile) -> AsyncV1SocketClient:
        connecting = self.client.listen.v1.connect(**profile)
        socket: AsyncV1SocketClient = await self.stack.enter_async_context(connecting)
        await socket.send_keep_alive()
        return socket


class NovaLine:
    def __init__(self, socket: AsyncV1SocketClient) -> None:
        self._socket = socket

    async def send(self, pcm: bytes) -> None:
        await self._socket.send_media(pcm)

    async def ask(self, request: FinalizeRequest) -> float:
        await self._socket.send_finalize()
        return 0.0

    def insist(self) -> None:
        """There is but one way to ask."""

    async def keep_alive(self) -> None:
        await self._socket.send_keep_alive()

    async def results(self) -> AsyncGenerator[Result]:
        async with aclosing(aiter(self._socket)) as messages:
            async for message in messages:
                if (result := _result(message)) is not None:
                    yield result


def _profiles(model: str, language: str) -> list[Profile]:
    """The service's own endpointing is off: it would cut sentences, as the end of speech is found here."""
    plain: Profile = {"model": model, "encoding": "linear16", "sample_rate": SPEECH_RATE_HZ, "channels": 1}
    if language != "en":
        plain["language"] = language
    usual = plain | {"language": language, "interim_results": "true", "endpointing": "false"}
    return [
        usual | {"smart_format": "true", "punctuate": "true", "numerals": "true"},
        usual | {"punctuate": "true"},
        plain,
    ]


class _Message(BaseModel):
    """The SDK does not check what it makes of a message: any field may be missing, or of another type."""

    model_config = ConfigDict(from_attributes=True, allow_inf_nan=False)


class _Word(_Message):
    word: str
    start: float = Field(ge=0)
    end: float = Field(ge=0)
    confidence: float = 0.0
    punctuated_word: str | None = None

    @property
    def heard(self) -> Word:
        return Word(self.punctuated_word or self.word, self.start, self.end, self.confidence)


class _Alternative(_Message):
    transcript: str
    confidence: float = 0.0
    words: list[_Word] = []


class _Channel(_Message):
    alternatives: list[_Alternative] = Field(min_length=1)


class _Results(_Message):
    type: Literal["Results"]
    start: float = Field(ge=0)
    duration: float = Field(ge=0)
    is_final: bool | None = None
    from_finalize: bool | None = None
    channel: _Channel


def _result(message: object) -> Result | None:
    """None for what is not about words, or makes no sense."""
    try:
        results = _Results.model_validate(message)
    except ValidationError:
        return None
    best, end_s = results.channel.alternatives[0], results.start + results.duration
    words = tuple(word.heard for word in best.words)
    answer = bool(results.from_finalize)
    # Without interim results none needs to say that it is final.
    finality = Finality.INTERIM if results.is_final is False and not answer else Finality.FINAL
    return Result(best.transcript.strip(), words, end_s, finality, answer=answer)
