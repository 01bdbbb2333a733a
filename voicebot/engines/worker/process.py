"""One worker process and its pipes, seen from the server."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path

import voicebot
from voicebot.engines.errors import EngineError, Fault
from voicebot.engines.worker.messages import DONE, HEAD, WorkerMessage

_log = logging.getLogger(__name__)

_READ_BYTES = 1 << 16
_WRITE_BYTES = 1 << 18
"""The size of the pieces in which a long message is written. Copying megabytes at once would block the event loop for
milliseconds."""

_MOST_BYTES = 1 << 20
"""The maximum size of a message from a worker. The longest valid ones hold a second of PCM."""

_START_S = 30.0
"""How long a worker may take to get ready. On an idle machine it loads its libraries within 1 s."""
_STOP_S = 1.0
"""How long a worker may take to finish an abandoned job, or to exit once its pipe has been closed."""

_WHY_KILLED = {signal.SIGKILL: "out of memory?", signal.SIGPROF: "it had used up its processor time"}
"""Likely reasons for signals that this process did not send."""

_ENVIRONMENT = (
    *("PATH", "HOME", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT", "LANG", "LC_ALL", "LC_CTYPE"),
    *("PYTHONHOME", "PYTHONPATH", "PYTHONUSERBASE", "PYTHONUTF8", "PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX"),
    *("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH"),
)
"""The environment variables that a worker inherits because Python and the libraries need them. No keys are among
them."""


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
        self._sizes: tuple[int, int] | None = None
        """The lengths of JSON and body of the message that is being read, once its header is there."""
        self._reading = asyncio.Lock()
        """A job may still be reading when the pool closes."""
        self._stderr_end = ""
        self._killed_as: str | None = None
        """Why this process killed the worker, as in `kill`."""
        self._stderr = asyncio.create_task(self._log_stderr(process.stderr), name=f"{engine} worker stderr")
        self.busy = False
        """True from a request until the worker's last message about it."""

    @classmethod
    async def start(cls, engine: str, module: str, arguments: tuple[str, ...]) -> Worker:
        """Starts a worker and waits until it is ready.

        Raises EngineError with the last line of the worker's stderr if it fails.
        """
        root = Path(voicebot.__file__).parent.parent
        inherited = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", module, *arguments),
                stdin=PIPE,
                stdout=PIPE,
                stderr=PIPE,
                cwd=root,
                # One malloc arena is enough, and keeps the address space small, which may be limited.
                env={"MALLOC_ARENA_MAX": "1"} | inherited,
            )
        except OSError as error:
            raise EngineError(engine, f"cannot start a worker process: {error}") from error
        worker = cls(engine, process)
        try:
            await worker.receive(_START_S)
        except BaseException:
            await worker.kill()
            raise
        return worker

    @property
    def alive(self) -> bool:
        return self._process.returncode is None and not self._stdout.at_eof() and not self._has_just_died()

    @property
    def cause_of_death(self) -> str:
        """The reason why the process ended, for example "was killed by SIGKILL (out of memory?)"."""
        if self._killed_as is not None:
            return f"was killed, as it {self._killed_as}"
        code = self._process.returncode
        if code is not None and code < 0:
            number = signal.Signals(-code)
            why = f" ({_WHY_KILLED[number]})" if number in _WHY_KILLED else ""
            cause = f"was killed by {number.name}{why}"
        else:
            cause = f"ended with status {code}"
        last_line = self._stderr_end.strip().rpartition("\n")[2]
        return f"{cause}: {last_line}" if last_line else cause

    def _has_just_died(self) -> bool:
        """Returns True if the process is dead, even before asyncio has noticed it."""
        if not hasattr(os, "waitid"):  # macOS before Python 3.13
            return False
        try:
            return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        except ChildProcessError:
            return True

    async def begin_job(self, request: WorkerMessage, limit_s: float) -> WorkerMessage | None:
        """Sends a request and returns the first answer, as `receive` does. Either may take `limit_s`."""
        self.busy = True
        async with self._killed_after(limit_s):
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # `receive` raises EngineError
                self._stdin.write(request.encoded_head())
                for start in range(0, len(request.body), _WRITE_BYTES):
                    self._stdin.write(request.body[start : start + _WRITE_BYTES])
                    await self._stdin.drain()
                await self._stdin.drain()
        return await self.receive(limit_s)

    async def receive(self, limit_s: float) -> WorkerMessage | None:
        """Returns the worker's next answer, or None once the job is done. A cancellation loses no answer.

        Raises EngineError if the worker has died. If nothing comes within `limit_s`, kills the worker and raises
        EngineError with TIMEOUT.
        """
        try:
            async with self._killed_after(limit_s), self._reading:
                message = await self._read()
        except asyncio.IncompleteReadError:
            await self._wait_for_end()
            raise EngineError(self._engine, f"its worker process {self.cause_of_death}") from None
        except ValueError:
            await self.kill("sent an invalid message")
            raise EngineError(self._engine, "its worker process sent an invalid message") from None
        if DONE in message.fields:
            self.busy = False
            return None
        return message

    @contextlib.asynccontextmanager
    async def _killed_after(self, limit_s: float) -> AsyncIterator[None]:
        """Kills the worker and raises EngineError if the block takes longer than `limit_s`."""
        try:
            async with asyncio.timeout(limit_s):
                yield
        except TimeoutError:
            await self.kill(f"gave nothing within {limit_s:g} s")
            problem = f"its worker process gave nothing within {limit_s:g} s"
            raise EngineError(self._engine, problem, fault=Fault.TIMEOUT) from None

    async def _read(self) -> WorkerMessage:
        if self._sizes is None:
            self._sizes = HEAD.unpack(await self._stdout.readexactly(HEAD.size))
        fields_size, body_size = self._sizes
        if fields_size + body_size > _MOST_BYTES:
            raise ValueError("the message is too long")
        data = await self._stdout.readexactly(fields_size + body_size)
        self._sizes = None
        return WorkerMessage.decoded(data, fields_size)

    async def finish_job(self) -> None:
        """Waits until the worker has done its job, and kills the worker if that takes longer than `_STOP_S`."""
        try:
            async with asyncio.timeout(_STOP_S):
                while await self.receive(_STOP_S) is not None:
                    pass
        except TimeoutError:
            await self.kill("did not finish its job")
        except EngineError:
            pass  # the worker is dead

    async def close(self) -> None:
        """Closes the worker's stdin, so that it exits, and kills it if it does not exit in time."""
        self._stdin.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_S):
                await self._reap()
        await self.kill()

    async def kill(self, why: str | None = None) -> None:
        """Kills the worker if it is alive. `why` completes the sentence "was killed, as it …" in the log."""
        # `Popen.kill` on a dead process consumes its exit status, and asyncio then reports 255.
        if self._process.returncode is None and not self._has_just_died():
            self._killed_as = why
            self._process.kill()
        self._stdin.close()
        await self._reap()

    async def _wait_for_end(self) -> None:
        """Waits for the end of a worker that has closed its pipe, and kills it if it does not end in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_S):
                await self._process.wait()
        await self.kill("had closed its pipe")

    async def _reap(self) -> None:
        async with self._reading:
            # Unread data would keep the pipe and the process's transport open.
            while await self._stdout.read(_READ_BYTES):
                pass
        await self._process.wait()
        await asyncio.wait([self._stderr])

    async def _log_stderr(self, stderr: asyncio.StreamReader) -> None:
        while data := await stderr.read(_READ_BYTES):
            text = data.decode(errors="replace")
            self._stderr_end = (self._stderr_end + text)[-2000:]
            _log.warning("%s worker: %s", self._engine, text.rstrip(), extra={"pid": self._process.pid})
