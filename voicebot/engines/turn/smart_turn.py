"""Smart Turn: a small model, made by Pipecat, that hears from the way of speaking whether a turn is over.

It is a Whisper encoder with a classifier (version 3.2, 8 million parameters in 8 bits, licence BSD-2). One answer takes
34 to 107 ms of one core, depending on the machine. All sessions share the model, and it answers one question at a time.
"""

from __future__ import annotations

import asyncio
import logging
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from voicebot.audio.sound import Samples
from voicebot.engines.circuit import CircuitBreaker
from voicebot.engines.download import DownloadError, DownloadRules, RemoteFile, cache_folder, fetch, is_right
from voicebot.engines.errors import EngineError, Fault
from voicebot.engines.protocols import EngineStatus
from voicebot.engines.turn.log_mel import log_mel

logger = logging.getLogger(__name__)

ENGINE = "smart-turn"

WEIGHTS = RemoteFile(
    "https://huggingface.co/pipecat-ai/smart-turn-v3/resolve/f766f81d3cfdf7737ac64aad813d91bbfd56bf93/"
    "smart-turn-v3.2-cpu.onnx",
    8_679_182,
    sha256="2bb026316b14a660486a75b1733cd3fbab8c2fd0314dc9af7be49f8cca967e4f",
)
"""Version 3.2 for CPUs. The wheel pipecat-ai 1.14.0 contains the same file."""

MOST_WAITING = 4
"""This many questions may wait or be answered. The last one waits 0.4 s, and later answers would not be of use."""

SLOW_S = 0.5
SLOW_IN_A_ROW = 3
"""A model that takes longer than `SLOW_S` so many times in a row is left out: by then most turns are over."""

REST_S = 60.0
"""How long the model is left out after its first failure. The time doubles with each further one."""

DOWNLOAD_RETRY_S = 600.0
"""The wait after a failed download."""

_INPUT = "input_features"


class SmartTurnNetwork:
    """The loaded network. It uses one thread, the caller's, and leaves Python's global lock free meanwhile."""

    def __init__(self, session: Any) -> None:
        self._session = session

    @classmethod
    def load(cls, file: Path) -> SmartTurnNetwork:
        """Loads the weights. Raises EngineError if the file is missing, or is no model of this kind."""
        try:
            import onnxruntime
        except ImportError as error:
            raise EngineError(ENGINE, f"onnxruntime can't be loaded ({error})", fault=Fault.MISSING) from None
        try:
            file.open("rb").close()
        except OSError as error:
            raise EngineError(ENGINE, f"its file can't be read ({error.strerror})", fault=Fault.MISSING) from None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.enable_mem_pattern = False  # saves 8 of 62 MB
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            network = cls(onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"]))
            network.probability(np.zeros(0, np.int16))  # the first run allocates what later ones need
        except EngineError:
            raise
        except Exception as error:  # noqa: BLE001 - boundary: onnxruntime's errors have no common class of their own
            raise EngineError(ENGINE, f"onnxruntime can't use its file ({type(error).__name__})") from None
        return network

    def probability(self, samples: Samples) -> float:
        """Returns the probability that the turn is over, 0 to 1. `samples` are int16 at 16 kHz.

        Only the last 8 s count. They should end with the first 0.1 to 0.2 s of the pause, as in the model's training.
        Raises EngineError if the model gives anything else.
        """
        (output,) = self._session.run(None, {_INPUT: log_mel(samples)[np.newaxis]})
        if np.size(output) != 1 or not 0.0 <= (probability := float(np.ravel(output)[0])) <= 1.0:
            raise EngineError(ENGINE, "its answer is no probability")
        return probability


class SmartTurn:
    """The model as sessions ask it, with its weights in `file`, or else downloaded into `folder` on first use."""

    def __init__(
        self,
        file: Path | None = None,
        *,
        weights: RemoteFile = WEIGHTS,
        folder: Path | None = None,
        rules: DownloadRules | None = None,
    ) -> None:
        self._own_file, self._weights, self._rules = file, weights, rules
        self._downloaded = (cache_folder() / ENGINE if folder is None else folder) / weights.url.rsplit("/", 1)[1]
        self._network: SmartTurnNetwork | None = None
        self._circuit = CircuitBreaker(REST_S)
        self._absence = "it is not loaded"
        """Why there is no network."""
        self._pool: ThreadPoolExecutor | None = None
        self._downloading: asyncio.Task[None] | None = None
        self._settled = asyncio.Event()
        self._waiting = self._slow = 0
        self._answer_s: float | None = None
        self._reported: set[str] = set()

    @property
    def status(self) -> EngineStatus:
        """Whether the model works, and how long its last answer took. A model that rests is not ready."""
        error = self._circuit.error
        reason = self._absence if self._network is None else None if error is None else error.message
        return EngineStatus(
            ENGINE,
            ready=self._network is not None and self._circuit.closed,
            reason=reason,
            code=None if reason is None else (Fault.UNREACHABLE if error is None else error.fault).error_code,
            probe_ms=None if self._answer_s is None else round(1000 * self._answer_s),
        )

    async def start(self) -> None:
        """Loads the model, or begins to download it. Never raises: `status` says what is wrong."""
        if self._pool is not None:
            return
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=ENGINE)
        if self._own_file is not None:
            await self._load(self._own_file)
        elif await asyncio.to_thread(self._is_downloaded):
            await self._load(self._downloaded)
        else:
            self._absence = "it is being downloaded"
            self._downloading = asyncio.create_task(self._download(), name=f"download of {ENGINE}")

    async def settle(self) -> None:
        await self._settled.wait()

    async def close(self) -> None:
        if self._downloading is not None:
            self._downloading.cancel()
            await asyncio.wait({self._downloading})
        if self._pool is not None:
            await asyncio.to_thread(self._pool.shutdown, cancel_futures=True)
        self._pool = self._downloading = self._network = None
        self._settled.clear()

    async def probability(self, samples: Samples) -> float | None:
        """Returns the probability that the turn is over; None if the model can't answer now. Never raises EngineError.

        `samples` are the last 8 s at most, int16 at 16 kHz, up to the pause and a little of it. A cancelled question
        that still waits is dropped.
        """
        network, pool = self._network, self._pool
        if network is None or pool is None or not self._circuit.closed or self._waiting >= MOST_WAITING:
            return None
        self._waiting += 1
        loop, begun = asyncio.get_running_loop(), pool.submit(_timed, network, samples)
        begun.add_done_callback(lambda done: loop.call_soon_threadsafe(self._ended, done))
        try:
            probability, _ = await asyncio.wrap_future(begun)
        except Exception:  # noqa: BLE001 - the engine's boundary: `_ended` reports the failure
            return None
        return probability

    def _ended(self, done: Future[tuple[float, float]]) -> None:
        """Notes the outcome of a question, whether or not anybody still waits for it."""
        self._waiting -= 1
        if done.cancelled():
            return
        match done.exception():
            case None:
                self._note_duration(done.result()[1])
            case EngineError() as error:
                self._leave_out(error)
            case error:
                logger.debug("the end-of-turn model failed", exc_info=error)
                self._leave_out(EngineError(ENGINE, f"it failed ({type(error).__name__})"))

    def _note_duration(self, took_s: float) -> None:
        self._answer_s = took_s
        self._slow = self._slow + 1 if took_s > SLOW_S else 0
        if self._slow >= SLOW_IN_A_ROW:
            self._slow = 0
            message = f"it took longer than {SLOW_S:g} s, {SLOW_IN_A_ROW} times in a row"
            self._leave_out(EngineError(ENGINE, message, fault=Fault.TIMEOUT))
        elif not self._slow:
            self._circuit.worked()

    def _leave_out(self, error: EngineError) -> None:
        """Lets the model rest. Each reason is logged once, as it may come with each pause."""
        self._circuit.failed(error)
        self._report(error.message)

    def _report(self, reason: str) -> None:
        if reason not in self._reported:
            self._reported.add(reason)
            logger.warning("%s: %s; turns end without it meanwhile", ENGINE, reason)

    async def _load(self, file: Path) -> None:
        assert self._pool is not None
        try:
            self._network = await asyncio.get_running_loop().run_in_executor(self._pool, SmartTurnNetwork.load, file)
        except EngineError as error:
            self._absence = error.message
            self._report(error.message)
        self._settled.set()

    async def _download(self) -> None:
        while True:
            try:
                await fetch(self._weights, self._downloaded, self, self._rules)
            except DownloadError as error:
                self._absence = f"it could not be downloaded: {error}"
                self._report(self._absence)
                self._settled.set()
                await asyncio.sleep(DOWNLOAD_RETRY_S)
            else:
                await self._load(self._downloaded)
                return

    def advance(self, received: int) -> None:
        """Notes how many bytes of the weights have come."""
        percent, megabytes = 100 * received // self._weights.size, self._weights.size / 1e6
        self._absence = f"it is being downloaded: {percent} % of {megabytes:.1f} MB"

    def _is_downloaded(self) -> bool:
        """Returns whether the right file is there. Removes a wrong one."""
        try:
            if is_right(self._downloaded, self._weights):
                return True
            self._downloaded.unlink()
        except OSError:
            pass
        return False


def _timed(network: SmartTurnNetwork, samples: Samples) -> tuple[float, float]:
    """Returns the probability, and how long the model took, in seconds."""
    began_s = time.monotonic()
    return network.probability(samples), time.monotonic() - began_s
