"""The connections to the Realtime service: one for each response, and one more opened ahead."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, cast

from openai import AsyncOpenAI, OpenAIError
from openai.resources.realtime.realtime import AsyncRealtimeConnection, AsyncRealtimeConnectionManager
from openai.types.websocket_connection_options import WebSocketConnectionOptions
from websockets import State
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from voicebot.engines.errors import EngineError, Fault
from voicebot.engines.llm.connection import tls
from voicebot.engines.llm.failures import failure, status_failure, told_failure
from voicebot.engines.llm.models import Models
from voicebot.engines.llm.realtime.events import NAME, Dialect, Event

logger = logging.getLogger(__name__)

_websocket_logger = logging.getLogger(f"{__name__}.websocket")
# At DEBUG websockets logs each header of its handshake, and with them the key.
_websocket_logger.setLevel(logging.INFO)

SPARE_LIFE_S = 25 * 60
"""A session ends by itself after 60 minutes, in the beta after 30: one that was opened ahead must not be near that."""

CLOSE_S = 1.0
"""How long the service may take to say goodbye before the socket is closed without."""

CLOSE_CODES = {1008: Fault.DENIED, 1011: Fault.SERVER, 1012: Fault.SERVER, 1013: Fault.LIMITED, 3000: Fault.DENIED}
"""IANA WebSocket Close Code Number Registry. 3000, "Unauthorized", is OpenAI's answer to a wrong key."""


@contextmanager
def as_engine_errors() -> Iterator[None]:
    """Around all that is done with a connection."""
    try:
        yield
    except InvalidStatus as error:
        raise status_failure(NAME, error.response.status_code, error.response.headers) from error
    except ConnectionClosed as error:
        code = error.rcvd.code if error.rcvd is not None else 1006
        raise failure(NAME, CLOSE_CODES.get(code, Fault.BROKEN)) from error
    except TimeoutError as error:
        raise failure(NAME, Fault.TIMEOUT) from error
    except (OSError, WebSocketException) as error:  # a handshake that failed, a proxy or address that is none
        raise failure(NAME, Fault.UNREACHABLE) from error
    # Not JSON, or JSON without what must be in it; the SDK's own.
    except (ValueError, LookupError, TypeError, AttributeError, OpenAIError) as error:
        raise failure(NAME, Fault.BROKEN) from error


class Line:
    """A connection, on which the service has told its session."""

    def __init__(self, connection: AsyncRealtimeConnection, model: str) -> None:
        self.model = model
        self.dialect = Dialect.GA
        self._connection = connection
        self._opened_s = time.monotonic()

    @property
    def is_fresh(self) -> bool:
        """Whether a response can still be asked for on it."""
        # Neither has the SDK a way to ask, nor can it be found out by receiving without waiting.
        is_open = self._connection._connection.state is State.OPEN
        return is_open and time.monotonic() - self._opened_s < SPARE_LIFE_S

    async def greet(self) -> None:
        """The service speaks first; how it does tells its dialect."""
        created = await self.receive()
        match created["type"]:
            case "session.created":
                self.dialect = Dialect.of(created)
            case "error":  # a wrong key is told so, and not in the handshake
                raise told_failure(NAME, created["error"])
            case _:
                raise failure(NAME, Fault.BROKEN)

    async def send(self, event: Event) -> None:
        """As it is: the SDK's own `send` knows no beta."""
        await self._connection.send_raw(json.dumps(event))

    async def receive(self) -> Event:
        event = json.loads(await self._connection.recv_bytes())
        if not isinstance(event, dict):
            raise TypeError("an event is an object")
        return event

    async def close(self, *, cancel: bool) -> None:
        """`cancel` the response that is under way first: else it may be made, and paid for, to its end."""
        with suppress(ConnectionClosed):  # the service may be first
            if cancel:
                await self.send({"type": "response.cancel"})
            await self._connection.close()


class Lines:
    """Opens a line for each response, and one ahead; closes them behind the back of who used them."""

    def __init__(self, sdk: AsyncOpenAI, models: Models, open_timeout_s: float) -> None:
        self._sdk = sdk
        self._models = models
        self._open_timeout_s = open_timeout_s
        self._spare: Line | None = None
        self._opening: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()

    async def take(self) -> Line:
        """A line of one's own, to be hung up after use. Raises EngineError."""
        spare, self._spare = self._spare, None
        if spare is not None:
            if spare.is_fresh and spare.model == self._models.current:
                return spare
            self.hang_up(spare)
        return await self._open()

    def hang_up(self, line: Line, *, cancel: bool = False) -> None:
        closing = asyncio.create_task(line.close(cancel=cancel), name=f"{NAME} hang up")
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    def warm(self) -> None:
        """Have a spare line opened if there is none. Should that fail, the next response will try and tell."""
        if self._spare is None and self._opening is None:
            self._opening = asyncio.create_task(self._open_spare(), name=f"{NAME} spare")

    async def probe(self) -> None:
        """Open a line, and keep it as the spare. Raises EngineError."""
        self._keep(await self._open())

    async def close(self) -> None:
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.wait([self._opening])
        self._keep(None)
        if self._closing:
            await asyncio.wait(self._closing)

    async def _open_spare(self) -> None:
        try:
            self._keep(await self._open())
        except EngineError as error:
            logger.info("no spare connection", extra={"error": str(error)})
        finally:
            self._opening = None

    def _keep(self, line: Line | None) -> None:
        if self._spare is not None:
            self.hang_up(self._spare)
        self._spare = line

    async def _open(self) -> Line:
        with as_engine_errors(), ExitStack() as undo:
            async with asyncio.timeout(self._open_timeout_s):
                model = self._models.current
                line = Line(await self._connect().enter(), model)
                undo.callback(self.hang_up, line)
                await line.greet()
            undo.pop_all()
        return line

    def _connect(self) -> AsyncRealtimeConnectionManager:
        options: dict[str, Any] = {"close_timeout": CLOSE_S, "open_timeout": None, "logger": _websocket_logger}
        if self._sdk.base_url.scheme == "https":
            options["ssl"] = tls()
        return self._sdk.realtime.connect(
            model=self._models.current, websocket_connection_options=cast("WebSocketConnectionOptions", options)
        )
