"""What the two protocols of Deepgram, listen v1 and v2, are to the rest: services that lines can be opened to."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from voicebot.engines.stt.deepgram.audio_ledger import FinalizeRequest
from voicebot.engines.stt.deepgram.result import Result

ENGINE = "deepgram"


class Line(Protocol):
    """An open connection. Its methods raise EngineError, or what the socket raises, when it is lost."""

    async def send(self, pcm: bytes) -> None: ...

    async def ask(self, request: FinalizeRequest) -> float | None:
        """Ask for the words before a request's position, if that is how they are come by here.

        Gives how much silence, in seconds, must follow for the answer to come; None if no answer is to be expected.
        """
        ...

    def insist(self) -> float | None:
        """An answer is overdue. Gives the silence to try instead; None if there is no other way."""
        ...

    async def keep_alive(self) -> None: ...

    def results(self) -> AsyncGenerator[Result]:
        """As they come; ends when the service closes the connection."""
        ...


class Service(Protocol):
    @property
    def at_pauses(self) -> bool:
        """Is it to be asked for words at a pause?"""
        ...

    @property
    def piece_s(self) -> float:
        """The shortest piece of sound worth sending."""
        ...

    def line(self) -> AbstractAsyncContextManager[Line]:
        """A new connection; raises EngineError if there is none."""
        ...
