"""What Deepgram's two live protocols, listen v1 (Nova) and listen v2 (Flux), have in common."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from websockets.exceptions import InvalidStatus, WebSocketException

from voicebot.engines.stt.deepgram.sdk import error_of_opening

ENGINE = "deepgram"

Parameters = dict[str, Any]
"""The parameters of a connection, as the SDK takes them."""


@dataclass(frozen=True, slots=True)
class TimedWord:
    """A word as it is written, and its place in the stream in seconds from the connection's first sound."""

    text: str
    start_s: float
    end_s: float
    confidence: float


class Finality(StrEnum):
    """How far a result can be relied on."""

    INTERIM = "interim"
    """It may change."""
    EAGER = "preemptive"
    """The speaker seems to be done: the result changes only if they speak on."""
    RESUMED = "resumed"
    """The speaker speaks on: what was preemptive is interim again."""
    FINAL = "final"
    """It does not change, and later results are about later sound only."""


@dataclass(frozen=True, slots=True)
class StreamResult:
    """What was said in the stream since the last final result, up to `end_s`.

    `end_s` is None for a result that reaches as far as the last finalize request. `answer` is true if the result
    answers such a request. `turn_over` is true if the recogniser has heard from the way it was said that the speaker is
    done.
    """

    text: str
    words: tuple[TimedWord, ...]
    end_s: float | None
    finality: Finality
    answer: bool = False
    turn_over: bool = False


class ListenConnection(Protocol):
    """An open connection. When it is lost its methods raise EngineError, or what the socket raises."""

    async def send_audio(self, pcm: bytes) -> None: ...

    async def request_final(self, *, closing: bool) -> float | None:
        """Asks for final words of all sound sent so far. `closing` means that no more sound of the utterance follows.

        Returns how many seconds of silence must follow before the answer comes. Returns None if no answer will come.
        """
        ...

    def request_final_differently(self) -> float | None:
        """Is called when an answer is overdue. Returns the silence in seconds that asks for it in another way.

        Returns None if there is no other way.
        """
        ...

    async def keep_alive(self) -> None: ...

    def results(self) -> AsyncGenerator[StreamResult]:
        """Yields the results as they come, and ends when the service closes the connection."""
        ...


class ListenService(ABC):
    """Opens connections for one model and language.

    Older self-hosted services reject parameters that they don't know, so there are several sets of parameters, from
    rich to plain. When the service rejects one set, the next is tried. The set that works is used from then on.
    """

    finalizes_at_pauses: bool
    """Whether words must be asked for at a pause. A service that finds pauses by itself is not asked."""
    min_chunk_s: float
    """The shortest piece of sound worth sending."""

    def __init__(self, parameter_sets: Sequence[Parameters], open_timeout_s: float) -> None:
        self._parameter_sets = parameter_sets
        self._open_timeout_s = open_timeout_s
        self._used_set = 0

    @abstractmethod
    async def _open(self, parameters: Parameters, stack: AsyncExitStack) -> ListenConnection:
        """Opens a connection that closes with the stack. Raises EngineError, or what `websockets` raises."""

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[ListenConnection]:
        """Opens a connection. Raises EngineError if that is not possible with any set of parameters."""
        async with AsyncExitStack() as stack:
            yield await self._open_with_first_accepted_set(stack)

    async def _open_with_first_accepted_set(self, stack: AsyncExitStack) -> ListenConnection:
        while True:
            tried = self._used_set
            try:
                async with asyncio.timeout(self._open_timeout_s):
                    return await self._open(self._parameter_sets[tried], stack)
            except (WebSocketException, OSError) as failure:
                rejected = isinstance(failure, InvalidStatus) and failure.response.status_code == 400
                if not rejected or tried + 1 == len(self._parameter_sets):
                    raise error_of_opening(ENGINE, failure) from None
                self._used_set = max(self._used_set, tried + 1)
