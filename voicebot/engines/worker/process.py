"""One worker process and its pipes, seen from the engine."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import voicebot
from voicebot.engines.base import EngineError
from voicebot.engines.worker.frames import FrameBuffer, Kind, Message

_log = logging.getLogger(__name__)

_READ_BYTES = 1 << 16
_START_S = 30.0
"""Loading a model takes about 1 s on an idle machine; much more is a fault."""
_STOP_S = 1.0
"""How long a cancelled job, or a worker whose stdin has ended, may take before the worker is killed."""


class Worker:
    """A child process that does one job at a time."""

    def __init__(self, engine: str, process: Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self._engine = engine
        self._process = process
        self._stdin = process.stdin
        self._stdout = process.stdout
        self._buffer = FrameBuffer()
        # A job may still be reading when the pool closes: whoever comes second waits for the end of the pipe.
        self._reading = asyncio.Lock()
        self._last_words = ""
        self._stderr = asyncio.create_task(self._log_stderr(process.stderr), name=f"{engine} worker stderr")

    @classmethod
    async def started(cls, engine: str, module: str, arguments: tuple[str, ...]) -> Worker:
        """A worker that is ready for jobs; EngineError, with the child's last words, if it does not get there."""
        root = Path(voicebot.__file__).parent.parent
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", module, *arguments, stdin=PIPE, stdout=PIPE, stderr=PIPE, cwd=root
            )
        except OSError as error:
            raise EngineError(engine, f"cannot start a worker process: {error}") from error
        worker = cls(engine, process)
        try:
            async with asyncio.timeout(_START_S):
                await worker.receive()
        except TimeoutError:
            await worker.kill()
            raise EngineError(engine, f"its worker was not ready within {_START_S:g} s") from None
        except BaseException:
            await worker.kill()
            raise
        return worker

    @property
    def alive(self) -> bool:
        return self._process.returncode is None and not self._stdout.at_eof() and not self._has_just_died()

    def _has_just_died(self) -> bool:
        """asyncio learns of a death a moment late: too late for a job that is to be given out now."""
        if not hasattr(os, "waitid"):  # macOS before Python 3.13
            return False
        try:
            return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        except ChildProcessError:
            return True

    async def send(self, message: Message) -> None:
        """Cancelling it never leaves half a message in the pipe. That the worker has died shows in `receive`."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._stdin.write(message.encoded())
            await self._stdin.drain()

    async def receive(self) -> Message:
        """The worker's next message; EngineError if it died. Cancelling it loses none."""
        while (message := self._buffer.take()) is None:
            async with self._reading:
                data = await self._stdout.read(_READ_BYTES)
            if not data:
                await self.kill()
                reason = self._last_words.strip().rpartition("\n")[2] or f"status {self._process.returncode}"
                raise EngineError(self._engine, f"its worker process ended ({reason})")
            self._buffer.push(data)
        return message

    async def finish_job(self) -> None:
        """Has the worker stop its job. EngineError if it is dead, TimeoutError if it does not answer."""
        async with asyncio.timeout(_STOP_S):
            await self.send(Message(Kind.CANCEL))
            while (await self.receive()).kind is not Kind.DONE:
                pass

    async def close(self) -> None:
        """Lets it exit by itself at the end of its stdin, and kills it if it does not."""
        self._stdin.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_S):
                await self._reap()
        await self.kill()

    async def kill(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
        self._stdin.close()
        await self._reap()

    async def _reap(self) -> None:
        async with self._reading:
            # What is left unread would keep the pipe, and with it the process's transport, open.
            while await self._stdout.read(_READ_BYTES):
                pass
        await self._process.wait()
        await asyncio.wait([self._stderr])

    async def _log_stderr(self, stderr: asyncio.StreamReader) -> None:
        while data := await stderr.read(_READ_BYTES):
            words = data.decode(errors="replace")
            self._last_words = (self._last_words + words)[-2000:]
            _log.warning("%s worker: %s", self._engine, words.rstrip(), extra={"pid": self._process.pid})
