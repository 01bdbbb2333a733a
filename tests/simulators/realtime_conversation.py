"""A session of the simulated Realtime service."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from tests.simulators.brain import Answer, ChatMessage
from tests.simulators.faults import Fault, Planned
from tests.simulators.http_connection import reset
from tests.simulators.realtime_events import Event, error, message_of, problem, response_events

if TYPE_CHECKING:
    from tests.simulators.realtime import RealtimeSimulator


@dataclass
class Session:
    """A connection and what it received, including the request of its handshake."""

    headers: dict[str, str]
    model: str
    gone: asyncio.Future[float]
    """The time on the loop's clock at which its socket was closed."""
    cancelled: asyncio.Future[float]
    """The time at which the client cancelled a response."""
    events: list[Event] = field(default_factory=list)

    @property
    def items(self) -> list[Event]:
        return [event["item"] for event in self.events if event["type"] == "conversation.item.create"]


class Conversation:
    """A session: the client's settings and items, and the response under way."""

    def __init__(self, simulator: RealtimeSimulator, connection: ServerConnection, session: Session) -> None:
        self._simulator = simulator
        self._connection = connection
        self._session = session
        self._settings: Event = {}
        self._said: list[ChatMessage] = []
        self._response: asyncio.Task[None] | None = None

    async def run(self) -> None:
        if await self._refused():
            return
        await self._send("session.created", session=self._session_object())
        try:
            async for message in self._connection:
                event = json.loads(message)
                self._session.events.append(event)
                if wrong := self._problem(event):
                    await self._send("error", error=error(*wrong))
                else:
                    await self._take(event)
        finally:
            if self._response is not None:
                self._response.cancel()
                await asyncio.wait([self._response])

    async def _refused(self) -> bool:
        scheme, _, key = self._session.headers.get("Authorization", "").partition(" ")
        if scheme == "Bearer" and key and self._simulator.key in (None, key):
            if self._session.model in self._simulator.models:
                return False
            await self._send("error", error=error("model_not_found", "The model does not exist."))
            await self._connection.close(4004, "model_not_found")
            return True
        await self._send("error", error=error("invalid_api_key", f"Incorrect API key provided: {key}"))
        await self._connection.close(3000, "invalid_request_error.invalid_api_key")
        return True

    def _problem(self, event: Event) -> tuple[str, str] | None:
        if event["type"] != "session.update" and not self._settings:
            return "session_update_expected", "The first event must be a session.update."
        is_active = self._response is not None and not self._response.done()
        return problem(event, self._session.items[:-1], beta=self._simulator.beta, is_active=is_active)

    async def _take(self, event: Event) -> None:
        match event["type"]:
            case "session.update":
                self._settings |= event["session"]
                await self._send("session.updated", session=self._session_object())
            case "conversation.item.create":
                item = event["item"] | {"id": self._simulator.next_id("item"), "status": "completed"}
                if (each := message_of(item)) is not None:
                    self._said.append(each)
                if self._simulator.beta:
                    await self._send("conversation.item.created", previous_item_id=None, item=item)
                else:
                    await self._send("conversation.item.added", previous_item_id=None, item=item)
                    await self._send("conversation.item.done", previous_item_id=None, item=item)
            case "response.create":
                self._response = asyncio.create_task(self._respond(), name="simulated response")
            case "response.cancel":
                assert self._response is not None
                self._session.cancelled.set_result(asyncio.get_running_loop().time())
                self._response.cancel()
                await asyncio.wait([self._response])
                await self._end("cancelled", {"type": "cancelled", "reason": "client_cancelled"})

    async def _respond(self) -> None:
        with suppress(ConnectionClosed):  # The client may leave at any point.
            await self._made_response()

    async def _made_response(self) -> None:
        planned = self._simulator.faults.next()
        match planned.fault if planned is not None else None:
            case None:
                pass
            case fault if fault.is_in_mid_stream:
                pass
            case Fault.HANG:
                await asyncio.Event().wait()
            case Fault.HALF_OPEN:
                self._connection.transport.pause_reading()
                await asyncio.Event().wait()
            case Fault.SLOW_FIRST_BYTE:
                assert planned is not None
                await asyncio.sleep(planned.delay_s)
            case Fault.REFUSE:
                await self._connection.close(1011, "internal error")
                return
            case Fault.UNAUTHORIZED | Fault.FORBIDDEN:
                await self._send("error", error=error("invalid_api_key", "Incorrect API key provided: sk-secret"))
                await self._connection.close(3000, "invalid_request_error.invalid_api_key")
                return
            case fault:
                codes = {Fault.RATE_LIMITED: "rate_limit_exceeded", Fault.NO_CREDIT: "insufficient_quota"}
                code = codes.get(fault, "server_error")
                error_details = {"type": code, "code": code, "message": f"Failed for {self._said}"}
                await self._end("failed", {"type": "failed", "error": error_details})
                return
        simulator = self._simulator
        answer = simulator.answers.popleft() if simulator.answers else simulator.brain(self._said, self._tools)
        await self._send("response.created", response={"id": "resp_1", "status": "in_progress", "output": []})
        await asyncio.sleep(simulator.first_token_s)
        await self._stream(answer, planned)

    async def _stream(self, answer: Answer, planned: Planned | None) -> None:
        events = list(response_events(answer, self._simulator.next_id, beta=self._simulator.beta))
        if self._simulator.only_done:
            events = [event for event in events if "delta" not in event]
        for sent, event in enumerate(events):
            if planned is not None and sent == planned.after:
                match planned.fault:
                    case Fault.CUT:
                        self._connection.transport.abort()
                        return
                    case Fault.RESET:
                        reset(self._connection.transport)
                        return
                    case Fault.GARBAGE:
                        await self._connection.send(self._simulator.garbage)
                    case Fault.STALL:
                        await asyncio.Event().wait()
                    case _:
                        pass
            if planned is not None and planned.fault is Fault.TRICKLE:
                await asyncio.sleep(planned.delay_s)
            elif sent > 2:
                await asyncio.sleep(self._simulator.token_s)
            await self._send(**event)
        if answer.error is not None:
            await self._send("error", error=dict(answer.error))
        elif answer.finish == "cancelled":
            await self._end("cancelled", {"type": "cancelled", "reason": "turn_detected"})
        elif answer.finish:
            await self._end("incomplete", {"type": "incomplete", "reason": answer.finish})
        else:
            await self._end("completed", None)

    @property
    def _tools(self) -> list[str]:
        return [tool["name"] for tool in self._settings.get("tools", ())]

    async def _end(self, status: str, details: Event | None) -> None:
        await self._send("response.done", response={"id": "resp_1", "status": status, "status_details": details})

    def _session_object(self) -> Event:
        fixed: Event = {"object": "realtime.session", "id": "sess_1", "model": self._session.model}
        if self._simulator.beta:
            fixed |= {"modalities": ["audio", "text"], "turn_detection": {"type": "server_vad"}}
        else:
            fixed |= {"type": "realtime", "output_modalities": ["audio"]}
        return fixed | self._settings

    async def _send(self, type: str, **fields: Any) -> None:
        event = {"type": type, "event_id": self._simulator.next_id("event"), **fields}
        await self._connection.send(json.dumps(event))
