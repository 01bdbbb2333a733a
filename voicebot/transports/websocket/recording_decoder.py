"""Recordings that clients upload, decoded in confined processes that all sessions share."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from voicebot.audio.sound import SPEECH_RATE_HZ, Audio
from voicebot.engines.errors import EngineError
from voicebot.engines.worker.frames import Kind, Message, Value
from voicebot.engines.worker.pool import WorkerPool
from voicebot.runtime import limits

logger = logging.getLogger(__name__)

_NAME = "recording decoder"
_MODULE = "voicebot.engines.upload_worker"
_PART_BYTES = 1 << 18
_MOST_BYTES = round((limits.UPLOAD_S + 1) * SPEECH_RATE_HZ * 2)
"""Of PCM: a process that gives more does not do what it should."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """What became of a recording: its sound, or what is wrong.

    `in_message` says that it is the message around it that is wrong, and `type` is then the message's type if it can be
    told. `cost_s` is the processor time that it took.
    """

    audio: Audio | None = None
    error: str = ""
    in_message: bool = False
    type: str | None = None
    cost_s: float = 0.0


class RecordingDecoder:
    """Runs the processes while there are sessions that upload recordings, and for a while after the last one.

    A process that dies or takes too long costs its recording, and is replaced. Recordings wait for their turn in the
    order in which they come: as a session sends one at a time, all sessions have the same share.
    """

    def __init__(self, max_audio_bytes: int) -> None:
        self._max_audio_bytes = max_audio_bytes
        self._pool: WorkerPool | None = None
        self._sessions = 0
        self._idle: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def free(self) -> int:
        """How many of its processes wait for a recording."""
        return 0 if self._pool is None else self._pool.free

    def enter(self) -> None:
        """A session begins to upload recordings: the processes start ahead of the first one. `leave` comes later."""
        self._sessions += 1
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        if self._pool is None:
            self._pool = WorkerPool(_NAME, _MODULE, limits.DECODERS, wait_s=limits.DECODER_WAIT_S)
            self._own(self._start(self._pool))

    def leave(self) -> None:
        """A session that has uploaded recordings is over."""
        self._sessions -= 1
        if not self._sessions:
            self._idle = asyncio.get_running_loop().call_later(limits.DECODER_IDLE_S, self._retire)

    async def decode_message(self, message: bytes) -> Decoded:
        """The sound of a `speech_end` that is given as it came, in JSON."""
        return await self._decode(message, {})

    async def decode_base64(self, encoded: bytes) -> Decoded:
        """The sound of a recording in base64."""
        return await self._decode(encoded, {"base64": 1})

    async def close(self) -> None:
        """Ends all processes. A recording that is being decoded gets an error."""
        if self._idle is not None:
            self._idle.cancel()
        self._retire()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _decode(self, sent: bytes, form: dict[str, Value]) -> Decoded:
        assert self._pool is not None, "enter comes first"
        loop = asyncio.get_running_loop()
        begun_s = loop.time()
        try:
            await self._pool.start()
            pool_job = self._pool.job(Message(Kind.START, {"max_bytes": self._max_audio_bytes, **form}))
            async with pool_job as job, asyncio.timeout(limits.DECODER_WALL_S):
                begun_s = loop.time()
                for start in range(0, len(sent), _PART_BYTES):  # in parts, as copying megabytes takes milliseconds
                    await job.send(Message(Kind.DATA, body=sent[start : start + _PART_BYTES]))
                await job.send(Message(Kind.END))
                pcm = bytearray()
                while (message := await job.receive()) is not None:
                    if "cpu_s" in message.fields:
                        return _decoded(message.fields, bytes(pcm))
                    pcm += message.body
                    if len(pcm) > _MOST_BYTES:
                        break
        except EngineError as error:
            logger.warning("a recording could not be decoded: %s", error)
        except TimeoutError:
            logger.warning("a recording could not be decoded within %g s", limits.DECODER_WALL_S)
        limit_s = limits.DECODER_CPU_S + limits.DECODER_CPU_S_PER_MB * len(sent) / 1e6
        cost_s = min(limit_s, loop.time() - begun_s) + limits.DECODER_START_S
        return Decoded(error="the recording can't be decoded", cost_s=cost_s)

    def _own(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name=_NAME)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _start(self, pool: WorkerPool) -> None:
        try:
            await pool.start()
        except EngineError as error:  # the first recording tries again
            logger.error("no process for decoding recordings can be started: %s", error)

    def _retire(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            self._own(pool.close())


def _decoded(fields: Mapping[str, Value], pcm: bytes) -> Decoded:
    cost_s, error, type = fields["cpu_s"], fields.get("error"), fields.get("type")
    assert isinstance(cost_s, float)
    if error is None:
        return Decoded(Audio.from_bytes(pcm, SPEECH_RATE_HZ), cost_s=cost_s)
    in_message = "message" in fields
    return Decoded(None, str(error), in_message, type if isinstance(type, str) else None, cost_s)
