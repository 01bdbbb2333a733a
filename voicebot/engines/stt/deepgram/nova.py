"""Deepgram's listen v1, for Nova and older models. They transcribe only, so final words must be asked for.

Sources: the AsyncAPI description at developers.deepgram.com/asyncapi.yaml, /docs/finalize and /docs/audio-keep-alive.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing

from pydantic import ValidationError

from voicebot.audio.sound import SPEECH_RATE_HZ
from voicebot.engines.stt.deepgram.messages import LiveResults
from voicebot.engines.stt.deepgram.protocol import Finality, ListenConnection, ListenService, Parameters, StreamResult
from voicebot.engines.stt.deepgram.sdk import AsyncDeepgramClient, AsyncV1SocketClient


class Nova(ListenService):
    """The service for listen v1."""

    finalizes_at_pauses = True
    min_chunk_s = 0.0

    def __init__(self, client: AsyncDeepgramClient, model: str, language: str, open_timeout_s: float) -> None:
        super().__init__(_parameter_sets(model, language), open_timeout_s)
        self._client = client

    async def _open(self, parameters: Parameters, stack: AsyncExitStack) -> ListenConnection:
        socket = await stack.enter_async_context(self._client.listen.v1.connect(**parameters))
        await socket.send_keep_alive()  # the socket opens with its first message
        return NovaConnection(socket)


class NovaConnection:
    """A connection to listen v1."""

    def __init__(self, socket: AsyncV1SocketClient) -> None:
        self._socket = socket

    async def send_audio(self, pcm: bytes) -> None:
        await self._socket.send_media(pcm)

    async def request_final(self, *, closing: bool) -> float:
        await self._socket.send_finalize()
        return 0.0

    def request_final_differently(self) -> None:
        """Returns None: Finalize is the only way to ask."""

    async def keep_alive(self) -> None:
        await self._socket.send_keep_alive()

    async def results(self) -> AsyncGenerator[StreamResult]:
        async with aclosing(aiter(self._socket)) as messages:
            async for message in messages:
                if (result := _result_of(message)) is not None:
                    yield result


def _parameter_sets(model: str, language: str) -> list[Parameters]:
    """Returns parameters with the service's own endpointing off: it would cut sentences, and the bot finds pauses."""
    plain: Parameters = {"model": model, "encoding": "linear16", "sample_rate": SPEECH_RATE_HZ, "channels": 1}
    if language != "en":
        plain["language"] = language
    usual = plain | {"language": language, "interim_results": "true", "endpointing": "false"}
    return [
        usual | {"smart_format": "true", "punctuate": "true", "numerals": "true"},
        usual | {"punctuate": "true"},
        plain,
    ]


def _result_of(message: object) -> StreamResult | None:
    """Returns the result in a message; None if the message holds none or makes no sense."""
    try:
        results = LiveResults.model_validate(message)
    except ValidationError:
        return None
    best, end_s = results.channel.alternatives[0], results.start + results.duration
    words = tuple(word.with_times(end_s) for word in best.words)
    answer = bool(results.from_finalize)
    # Without `interim_results` the service does not say that a result is final, as each one is.
    finality = Finality.INTERIM if results.is_final is False and not answer else Finality.FINAL
    return StreamResult(best.transcript.strip(), words, end_s, finality, answer=answer)
