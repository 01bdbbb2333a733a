"""Decodes the recordings that clients upload, in confined processes that all sessions share."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from voicebot.audio.sound import SPEECH_RATE_HZ, Audio
from voicebot.engines.errors import EngineError
from voicebot.engines.worker.messages import Value, WorkerMessage
from voicebot.engines.worker.pool import WorkerPool
from voicebot.runtime import limits

logger = logging.getLogger(__name__)

_NAME = "recording decoder"
_MODULE = "voicebot.engines.upload_worker"
_MOST_BYTES = round((limits.UPLOAD_S + 1) * SPEECH_RATE_HZ * 2)
"""The most PCM that a recording can have. A process that returns more does not work properly."""


@dataclass(frozen=True, slots=True)
class DecodedRecording:
    """The sound of a recording, or the error in it.

    `in_message` means that the error is in the message around the recording. `type` is then the type of the message, if
    that can be read. `cost_s` is the processor time that decoding took.
    """

    audio: Audio | None = None
    error: str = ""
    in_message: bool = False
    type: str | None = None
    cost_s: float = 0.0


class RecordingDecoder:
    """Decodes recordings, in processes that run while sessions upload recordings and for a while after the last one.

    If a process dies or takes too long, its recording is lost and the process is replaced. Recordings are decoded in
    the order in which they come. A session sends one at a time, so all sessions have the same share.
    """

    def __init__(self, max_audio_bytes: int) -> None:
        self._max_audio_bytes = max_audio_bytes
        self._pool: WorkerPool | None = None
        self._sessions = 0
        self._idle: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def free(self) -> int:
        """The number of processes that wait for a recording."""
        return 0 if self._pool is None else self._pool.free

    def add_session(self) -> None:
        """Starts the processes ahead of the first recording of a session. Call `remove_session` when it ends."""
        self._sessions += 1
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        if self._pool is None:
            self._pool = WorkerPool(_NAME, _MODULE, limits.DECODERS, wait_s=limits.DECODER_WAIT_S)
            self._create_task(self._start(self._pool))

    def remove_session(self) -> None:
        """Ends the processes after a while if there is no other session that uploads recordings."""
        self._sessions -= 1
        if not self._sessions:
            self._idle = asyncio.get_running_loop().call_later(limits.DECODER_IDLE_S, self._close_pool)

    async def decode_message(self, message: bytes) -> DecodedRecording:
        """Decodes the recording in a `speech_end` message, which is JSON as the client sent it."""
        return await self._decode(message, {})

    async def decode_base64(self, encoded: bytes) -> DecodedRecording:
        """Decodes a recording in base64."""
        return await self._decode(encoded, {"base64": 1})

    async def close(self) -> None:
        """Ends all processes. A recording that is being decoded gets an error."""
        if self._idle is not None:
            self._idle.cancel()
        self._close_pool()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _decode(self, data: bytes, form: dict[str, Value]) -> DecodedRecording:
        assert self._pool is not None, "add_session comes first"
        loop = asyncio.get_running_loop()
        begun_s = loop.time()
        request = WorkerMessage({"max_bytes": self._max_audio_bytes, **form}, data)
        try:
            await self._pool.start()
            async with aclosing(self._pool.answers(request, limit_s=limits.DECODER_WALL_S)) as answers:
                pcm = bytearray()
                async for answer in answers:
                    if "cpu_s" in answer.fields:
                        return _decoded(answer.fields, bytes(pcm))
                    pcm += answer.body
                    if len(pcm) > _MOST_BYTES:
                        break
        except EngineError as error:
            logger.warning("a recording could not be decoded: %s", error)
        limit_s = limits.DECODER_CPU_S + limits.DECODER_CPU_S_PER_MB * len(data) / 1e6
        cost_s = min(limit_s, loop.time() - begun_s) + limits.DECODER_START_S
        return DecodedRecording(error="the recording can't be decoded", cost_s=cost_s)

    def _create_task(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name=_NAME)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _start(self, pool: WorkerPool) -> None:
        try:
            await pool.start()
        except EngineError as error:  # the first recording tries again
            logger.error("no process for decoding recordings can be started: %s", error)

    def _close_pool(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            self._create_task(pool.close())


def _decoded(fields: Mapping[str, Value], pcm: bytes) -> DecodedRecording:
    cost_s, error, type = fields["cpu_s"], fields.get("error"), fields.get("type")
    assert isinstance(cost_s, float)
    if error is None:
        return DecodedRecording(Audio.from_bytes(pcm, SPEECH_RATE_HZ), cost_s=cost_s)
    in_message = "in_message" in fields
    return DecodedRecording(None, str(error), in_message, type if isinstance(type, str) else None, cost_s)
