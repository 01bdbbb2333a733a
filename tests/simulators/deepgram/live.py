"""The common parts of the two live protocols: messages in and out, their timing, and injected disturbances."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np

from tests.simulators.deepgram.recognisers import HeardWord, SimulatedRecogniser, ToneWordRecogniser
from tests.simulators.deepgram.wire import Wire
from tests.simulators.faults import Fault, Planned
from voicebot.audio.sound import SPEECH_RATE_HZ


class Disturbance(StrEnum):
    ERROR = "error"
    """The service closes the connection with code 1011."""
    GOODBYE = "goodbye"
    """The service closes the connection with the code of success."""
    EOF = "eof"
    """The TCP stream ends without a close frame."""
    RESET = "reset"
    """The TCP connection is reset, and data on its way is lost."""
    SILENCE = "silence"
    """The connection stays open, but the service sends nothing more."""
    FREEZE = "freeze"
    """Like MUTE, and the service does not answer the closing handshake either."""


@dataclass(slots=True)
class Setting:
    """The behaviour of the service. It may be changed at any time."""

    make_recogniser: Callable[[], SimulatedRecogniser] = ToneWordRecogniser
    delay_s: float = 0.0
    """The time from when a result is available until it is sent."""
    idle_timeout_s: float = 10.0
    """The time without audio or KeepAlive after which listen v1 closes the connection."""
    interim_every_s: float = 0.1
    """The audio between two interim results. Listen v2 always uses 0.25 s."""
    segment_s: float = 3.0
    """The amount of audio after which listen v1 sends a final result."""
    least_s: float = 0.0
    """The least unprocessed audio for which a Finalize gets an answer."""
    rejects: frozenset[str] = frozenset()
    """Query parameters with which a connection is refused with status 400."""
    status: int | None = None
    """The error status of every answer, if any; for example 402 when the account has no credit."""
    can_force: bool = True
    """Whether listen v2 knows ForceEndTurn. Self-hosted services do not."""
    ignores_force: bool = False
    """Whether listen v2 accepts ForceEndTurn without an answer and without effect."""
    word_times: bool = True
    """Whether listen v2 sends the times of words, as it does since July 2026."""
    ends_turns: bool = True
    """Whether listen v2 detects by itself that a turn is over."""
    disturbances: dict[int, tuple[Disturbance, bool]] = field(default_factory=dict)
    """The disturbances by the number of the message (of all clients, from 1); True if it comes after the message is
    handled."""


LOUD = 500

GARBAGE: Sequence[str | bytes] = (
    "{",
    "[1, 2]",
    "null",
    '{"type": "Results"}',
    '{"type": "Results", "start": 0, "duration": 9, "is_final": true, "channel": {"alternatives": []}}',
    '{"type": "Results", "start": 0, "duration": 9e999, "channel": {"alternatives": [{"transcript": "x"}]}}',
    '{"type": "Results", "start": -9, "duration": "long", "channel": {"alternatives": [{"transcript": "x"}]}}',
    '{"type": "TurnInfo", "event": 5}',
    '{"type": "TurnInfo", "event": "EndOfTurn", "audio_window_end": 9e999, "transcript": "x", "words": []}',
    '{"type": "Nonsense", "channel": {"alternatives": "x"}}',
    b"\x00\xff",
)


class Live:
    """A live connection. Subclasses handle messages; this class counts, delays and disturbs them."""

    def __init__(self, wire: Wire, setting: Setting, planned: Planned | None, count: Callable[[], int]) -> None:
        self.setting = setting
        self.recogniser = setting.make_recogniser()
        self.heard = 0
        """The number of samples received."""
        self.loud_to = 0
        """The end of the last sample that is not silence."""
        self._wire = wire
        self._planned = planned
        self._count = count
        self._deaf = self._mute = False
        self._told = 0
        self._outbox: asyncio.Queue[tuple[float, dict[str, Any]]] = asyncio.Queue()

    async def serve(self, query: dict[str, list[str]]) -> None:
        """Serves until the client leaves or the connection breaks."""
        try:
            async with asyncio.TaskGroup() as group:
                posting = group.create_task(self._post())
                await self.on_open(query)
                await self._converse()
                posting.cancel()
        except* ConnectionError:
            pass
        finally:
            self.on_close()

    async def _converse(self) -> None:
        async with aclosing(self._wire.messages()) as messages:
            async for message in messages:
                if self._deaf:
                    continue
                disturbance, after = self.setting.disturbances.pop(self._count(), (None, False))
                if disturbance is not None and not after:
                    await self._disturb(disturbance)
                if not self._deaf:
                    await self._take(message)
                if disturbance is not None and after and not self._deaf:
                    await self._disturb(disturbance)

    async def _take(self, message: str | bytes) -> None:
        if isinstance(message, bytes):
            samples = np.frombuffer(message, "<i2")
            loud = np.flatnonzero(np.abs(samples) > LOUD)
            self.loud_to = self.heard + int(loud[-1]) + 1 if len(loud) else self.loud_to
            self.heard += len(samples)
            self.recogniser.receive_audio(samples)
            await self.on_sound()
        else:
            await self.on_message(json.loads(message))

    async def _disturb(self, disturbance: Disturbance) -> None:
        match disturbance:
            case Disturbance.ERROR:
                await self.leave(1011, "an error, on purpose")
            case Disturbance.GOODBYE:
                await self.leave(1000)
            case Disturbance.EOF:
                self._wire.hang_up()
                raise ConnectionAbortedError
            case Disturbance.RESET:
                self._wire.reset()
                raise ConnectionAbortedError
            case Disturbance.SILENCE:
                self._mute = True
            case Disturbance.FREEZE:
                await self._wire.left()
                raise ConnectionAbortedError

    async def leave(self, code: int, reason: str = "") -> None:
        """Closes the WebSocket. Messages that the client sends before it answers the close are ignored."""
        self._deaf = True
        if code == 1000:
            await self._outbox.join()
        await self._wire.close_websocket(code, reason)

    # The interface of the protocols --------------------------------------------------------------------------------

    async def on_open(self, query: dict[str, list[str]]) -> None:
        raise NotImplementedError

    async def on_sound(self) -> None:
        raise NotImplementedError

    async def on_message(self, message: dict[str, Any]) -> None:
        raise NotImplementedError

    def on_close(self) -> None:
        """Cleans up. Subclasses override this."""

    async def tell(self, message: dict[str, Any]) -> None:
        """Sends a message when its delay is over. Messages keep their order."""
        if self.setting.delay_s:
            self._outbox.put_nowait((asyncio.get_running_loop().time() + self.setting.delay_s, message))
        else:
            await self._send(message)

    async def _post(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due_s, message = await self._outbox.get()
            await asyncio.sleep(due_s - loop.time())
            await self._send(message)
            self._outbox.task_done()

    async def _send(self, message: dict[str, Any]) -> None:
        if self._mute:
            return
        if self._planned is not None and self._planned.fault is Fault.TRICKLE:
            await asyncio.sleep(self._planned.delay_s)
        await self._wire.send(json.dumps(message))
        self._told += 1
        if self._planned is not None and self._told == self._planned.after:
            if self._planned.fault in (Fault.CUT, Fault.RESET):
                self._wire.reset()
                raise ConnectionAbortedError
            if self._planned.fault in (Fault.STALL, Fault.HALF_OPEN):
                self._mute = True
                if self._planned.fault is Fault.HALF_OPEN:
                    self._wire.stop_reading()
            if self._planned.fault is Fault.GARBAGE:
                for each in GARBAGE:
                    await self._wire.send(each)


def seconds(samples: int) -> float:
    return round(samples / SPEECH_RATE_HZ, 6)


def text_of(words: Sequence[HeardWord]) -> str:
    return " ".join(word.text for word in words)
