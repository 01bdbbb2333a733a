"""What Deepgram's two live protocols, listen v1 (Nova) and listen v2 (Flux), have in common."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

ENGINE = "deepgram"


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
    EAGER = "eager"
    """The speaker seems to be done: the result changes only if they speak on."""
    RESUMED = "resumed"
    """The speaker speaks on: what was eager is interim again."""
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


class ListenService(Protocol):
    """Opens connections for one model and language."""

    @property
    def finalizes_at_pauses(self) -> bool:
        """Whether words must be asked for at a pause. A service that finds pauses by itself is not asked."""
        ...

    @property
    def min_chunk_s(self) -> float:
        """The shortest piece of sound worth sending."""
        ...

    def connect(self) -> AbstractAsyncContextManager[ListenConnection]:
        """Opens a connection. Raises EngineError if that is not possible."""
        ...
