"""One worker process and its pipes, seen from the server."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import voicebot
from voicebot.engines.errors import EngineError
from voicebot.engines.worker.environment import worker_environment
from voicebot.engines.worker.frames import FrameBuffer, Kind, Message

_log = logging.getLogger(__name__)

_READ_BYTES = 1 << 16
_START_S = 30.0
"""Loading a model takes about 1 s on an idle machine; much more is a fault."""
_STOP_S = 1.0
"""How long a cancelled job, or a worker whose pipe has ended, may take before the worker is killed."""

_WHY_KILLED = {signal.SIGKILL: "out of memory?", signal.SIGPROF: "it had used up its processor time"}
"""What is known of why a signal came."""


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
        self._killed_as: str | None = None
        """Why this side killed it."""
        self._stderr = asyncio.create_task(self._log_stderr(process.stderr), name=f"{engine} worker stderr")

    @classmethod
    async def started(cls, engine: str, module: str, arguments: tuple[str, ...], *, network: bool) -> Worker:
        """A worker that is ready for jobs; EngineError, with the child's last words, if it does not get there."""
        root = Path(voicebot.__file__).parent.parent
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", module, *arguments),
                stdin=PIPE,
                stdout=PIPE,
                stderr=PIPE,
                cwd=root,
                env=worker_environment(network=network),
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

    @property
    def cause_of_death(self) -> str:
        """What became of a process that has ended, such as "was killed by SIGKILL (out of memory?)"."""
        if self._killed_as is not None:
            return f"was killed, as it {self._killed_as}"
        code = self._process.returncode
        if code is not None and code < 0:
            number = signal.Signals(-code)
            why = f" ({_WHY_KILLED[number]})" if number in _WHY_KILLED else ""
            cause = f"was killed by {number.name}{why}"
        else:
            cause = f"ended with status {code}"
        words = self._last_words.strip().rpartition("\n")[2]
        return f"{cause}: {words}" if words else cause

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
                await self._see_it_end()
                raise EngineError(self._engine, f"its worker process {self.cause_of_death}")
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

    async def kill(self, why: str | None = None) -> None:
        """`why` ends the sentence "it was killed, as it …" in the log, unless it has died by itself before."""
        # A process that has ended must not be killed: `Popen.kill` would take its status away from asyncio, which then
        # reports 255 for whatever it was.
        if self._process.returncode is None and not self._has_just_died():
            self._killed_as = why
            self._process.kill()
        self._stdin.close()
        await self._reap()

    async def _see_it_end(self) -> None:
        """Its pipe has ended: it is dying, or else it is killed."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_S):
                await self._process.wait()
        await self.kill("had closed its pipe")

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
