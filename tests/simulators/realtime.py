"""Simulates the OpenAI Realtime WebSocket with text only, in its general version (GA) and in the beta version.

Written from platform.openai.com/docs/api-reference/realtime-client-events and -server-events, the types of the openai
SDK (openai/types/realtime, generated from OpenAI's OpenAPI document) and, for the beta, a recording
(shared/specs/realtime-text-beta-cassette.yaml). A wrong key causes an error event and a close with code 3000, as at
OpenAI.

The simulator is stricter than OpenAI in one point: a client event before the first `session.update` is an error.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import ssl
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Self
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from tests.simulators.brain import Answer, ChatMessage, default_answer
from tests.simulators.faults import Fault, Faults
from tests.simulators.http_connection import reset
from tests.simulators.realtime_conversation import Conversation, Session

logger = logging.getLogger(__name__)
logger.setLevel(logging.CRITICAL)  # websockets logs headers and every injected fault


@dataclass
class RealtimeSimulator:
    """A server on a free port, which answers a request with the next of `answers` or, when none is left, asks `brain`.

    `faults` are for responses, `handshake_faults` for handshakes. `key` is the only key that is accepted; if it is
    None, any key is. With `only_done`, text and arguments come whole, without deltas. `models` are the only models
    there are; `list_status` is the status of their list.
    """

    beta: bool = False
    key: str | None = None
    list_status: int = 200
    models: tuple[str, ...] = ("gpt-realtime-2.1", "gpt-realtime")
    first_token_s: float = 0.0
    token_s: float = 0.0
    only_done: bool = False
    brain: Callable[[Sequence[ChatMessage], Sequence[str]], Answer] = default_answer
    tls: ssl.SSLContext | None = None
    garbage: str | bytes = '{"type": "response.'
    answers: deque[Answer] = field(default_factory=deque)
    faults: Faults = field(default_factory=Faults)
    handshake_faults: Faults = field(default_factory=Faults)
    sessions: list[Session] = field(default_factory=list)
    open: int = 0
    """The number of open sockets."""
    hanging: set[ServerConnection] = field(default_factory=set)
    """The connections that hang in their handshake."""

    async def __aenter__(self) -> Self:
        self._ids = itertools.count(1)
        self._server: Server = await serve(
            self._converse,
            "127.0.0.1",
            0,
            process_request=self._process_handshake,
            close_timeout=0.2,
            logger=logger,
            ssl=self.tls,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        for connection in self.hanging:
            connection.transport.abort()
        self._server.close()
        await self._server.wait_closed()
        for session in self.sessions:
            session.gone.cancel()
            session.cancelled.cancel()

    async def close_all(self) -> None:
        """Closes every connection, as a service does when it restarts."""
        for connection in self._server.connections:
            await connection.close(1012)

    @property
    def url(self) -> str:
        """The base URL, without a path."""
        host, port = next(iter(self._server.sockets)).getsockname()
        return f"{'https' if self.tls else 'http'}://{host}:{port}"

    @property
    def requests(self) -> list[Session]:
        """The sessions in which a response was requested."""
        return [
            session for session in self.sessions if any(each["type"] == "response.create" for each in session.events)
        ]

    async def _process_handshake(self, connection: ServerConnection, request: Request) -> Response | None:
        if request.path == "/v1/models":
            return self._model_list(connection, request)
        planned = self.handshake_faults.next()
        if planned is None:
            return None
        match planned.fault:
            case Fault.REFUSE | Fault.CUT:
                connection.transport.abort()
            case Fault.RESET:
                reset(connection.transport)
            case Fault.HANG | Fault.STALL | Fault.HALF_OPEN:
                self.hanging.add(connection)
                if planned.fault is Fault.HALF_OPEN:
                    connection.transport.pause_reading()
                await connection.wait_closed()
            case Fault.SLOW_FIRST_BYTE | Fault.TRICKLE:
                await asyncio.sleep(planned.delay_s)
            case Fault.GARBAGE:
                connection.transport.write(b"220 this is a mail server\r\n")
                connection.transport.close()
            case fault:
                assert fault.status is not None
                message = f"Failed with {request.headers.get('Authorization')}"
                response = connection.respond(HTTPStatus(fault.status), json.dumps({"error": {"message": message}}))
                if planned.retry_after_s is not None:
                    response.headers["Retry-After"] = f"{planned.retry_after_s:g}"
                return response
        return None

    def _model_list(self, connection: ServerConnection, request: Request) -> Response:
        """Returns the answer to `GET /v1/models`."""
        if self.list_status != HTTPStatus.OK:
            return connection.respond(HTTPStatus(self.list_status), json.dumps({"error": {"code": None}}))
        if self.key is not None and request.headers.get("Authorization") != f"Bearer {self.key}":
            return connection.respond(HTTPStatus.UNAUTHORIZED, json.dumps({"error": {"code": "invalid_api_key"}}))
        listed = [{"id": model, "object": "model", "created": 0, "owned_by": "simulator"} for model in self.models]
        response = connection.respond(HTTPStatus.OK, json.dumps({"object": "list", "data": listed}))
        del response.headers["Content-Type"]
        response.headers["Content-Type"] = "application/json"
        return response

    async def _converse(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        url = urlsplit(connection.request.path)
        loop = asyncio.get_running_loop()
        session = Session(
            dict(connection.request.headers.raw_items()),
            parse_qs(url.query)["model"][0],
            gone=loop.create_future(),
            cancelled=loop.create_future(),
        )
        self.sessions.append(session)
        self.open += 1
        try:
            await Conversation(self, connection, session).run()
        except ConnectionClosed:
            pass
        finally:
            self.open -= 1
            session.gone.set_result(loop.time())

    def next_id(self, kind: str) -> str:
        return f"{kind}_{next(self._ids)}"
