"""Opens connections to the Realtime service: one for each response, and a spare one ahead of time."""

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
from voicebot.engines.llm.clients import tls
from voicebot.engines.llm.failures import failure, status_failure, streamed_failure
from voicebot.engines.llm.models import Models
from voicebot.engines.llm.realtime.events import NAME, Dialect, Event

logger = logging.getLogger(__name__)

_websocket_logger = logging.getLogger(f"{__name__}.websocket")
# At DEBUG websockets logs all headers of its handshake, including the key.
_websocket_logger.setLevel(logging.INFO)

SPARE_LIFE_S = 25 * 60
"""The service ends a session after 60 minutes, or 30 in the beta. A spare connection must not be close to that."""

CLOSE_S = 1.0
"""How long the closing handshake may take before the socket is closed without it."""

CLOSE_CODES = {1008: Fault.DENIED, 1011: Fault.SERVER, 1012: Fault.SERVER, 1013: Fault.LIMITED, 3000: Fault.DENIED}
"""From the IANA WebSocket Close Code Number Registry. OpenAI closes with 3000, "Unauthorized", after a wrong key."""


@contextmanager
def as_engine_errors() -> Iterator[None]:
    """Raises errors of a connection as EngineErrors."""
    try:
        yield
    except InvalidStatus as error:
        raise status_failure(NAME, error.response.status_code, error.response.headers) from error
    except ConnectionClosed as error:
        code = error.rcvd.code if error.rcvd is not None else 1006
        raise failure(NAME, CLOSE_CODES.get(code, Fault.BROKEN)) from error
    except TimeoutError as error:
        raise failure(NAME, Fault.TIMEOUT) from error
    except (OSError, WebSocketException) as error:  # a failed handshake, an invalid proxy or address
        raise failure(NAME, Fault.UNREACHABLE) from error
    # Invalid JSON, JSON with missing fields, or an error of the SDK.
    except (ValueError, LookupError, TypeError, AttributeError, OpenAIError) as error:
        raise failure(NAME, Fault.BROKEN) from error


class RealtimeConnection:
    """A connection with a session for one response."""

    def __init__(self, connection: AsyncRealtimeConnection, model: str) -> None:
        self.model = model
        self.dialect = Dialect.GA
        self._connection = connection
        self._opened_s = time.monotonic()

    @property
    def is_fresh(self) -> bool:
        """Whether the connection can still be used for a response."""
        # The SDK has no method for this, and receiving would wait for an event.
        is_open = self._connection._connection.state is State.OPEN
        return is_open and time.monotonic() - self._opened_s < SPARE_LIFE_S

    async def receive_session(self) -> None:
        """Waits for the service's first event, which shows its dialect. Raises EngineError."""
        created = await self.receive()
        match created["type"]:
            case "session.created":
                self.dialect = Dialect.of(created)
            case "error":  # the service reports a wrong key here, not in the handshake
                raise streamed_failure(NAME, created["error"])
            case _:
                raise failure(NAME, Fault.BROKEN)

    async def send(self, event: Event) -> None:
        """Sends an event unchanged. The SDK's `send` does not accept events of the beta."""
        await self._connection.send_raw(json.dumps(event))

    async def receive(self) -> Event:
        """Waits for the next event."""
        event = json.loads(await self._connection.recv_bytes())
        if not isinstance(event, dict):
            raise TypeError("an event is an object")
        return event

    async def close(self, *, cancel: bool) -> None:
        """Closes the connection. `cancel` first ends a running response, which would otherwise be billed."""
        with suppress(ConnectionClosed):  # the service may close first
            if cancel:
                await self.send({"type": "response.cancel"})
            await self._connection.close()


class RealtimeConnections:
    """Opens a connection for each response and keeps a spare one. Closes used ones in the background."""

    def __init__(self, sdk: AsyncOpenAI, models: Models, open_timeout_s: float) -> None:
        self._sdk = sdk
        self._models = models
        self._open_timeout_s = open_timeout_s
        self._spare: RealtimeConnection | None = None
        self._opening: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()

    async def take(self) -> RealtimeConnection:
        """Returns a connection for the caller alone, who must release it after use. Raises EngineError."""
        spare, self._spare = self._spare, None
        if spare is not None:
            if spare.is_fresh and spare.model == self._models.current:
                return spare
            self.release(spare)
        return await self._open()

    def release(self, connection: RealtimeConnection, *, cancel: bool = False) -> None:
        """Closes a connection in the background."""
        closing = asyncio.create_task(connection.close(cancel=cancel), name=f"{NAME} release")
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    def warm(self) -> None:
        """Starts to open a spare connection if there is none. If that fails, the next response tries again."""
        if self._spare is None and self._opening is None:
            self._opening = asyncio.create_task(self._open_spare(), name=f"{NAME} spare")

    async def probe(self) -> None:
        """Opens a connection and keeps it as the spare one. Raises EngineError."""
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
            logger.info("Could not open a spare connection.", extra={"error": str(error)})
        finally:
            self._opening = None

    def _keep(self, connection: RealtimeConnection | None) -> None:
        if self._spare is not None:
            self.release(self._spare)
        self._spare = connection

    async def _open(self) -> RealtimeConnection:
        with as_engine_errors(), ExitStack() as undo:
            async with asyncio.timeout(self._open_timeout_s):
                model = self._models.current
                connection = RealtimeConnection(await self._connect().enter(), model)
                undo.callback(self.release, connection)
                await connection.receive_session()
            undo.pop_all()
        return connection

    def _connect(self) -> AsyncRealtimeConnectionManager:
        options: dict[str, Any] = {"close_timeout": CLOSE_S, "open_timeout": None, "logger": _websocket_logger}
        if self._sdk.base_url.scheme == "https":
            options["ssl"] = tls()
        return self._sdk.realtime.connect(
            model=self._models.current, websocket_connection_options=cast("WebSocketConnectionOptions", options)
        )
