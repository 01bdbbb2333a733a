"""Simulates chat completions as Groq and OpenAI serve them, streamed as server-sent events.

Written from the services' references (console.groq.com/docs/api-reference and /docs/errors,
platform.openai.com/docs/api-reference/chat/streaming and /docs/guides/error-codes) and a recording of Groq's
gpt-oss-120b (shared/specs/groq-stream-tool-cassette.yaml). A stream has first the role, then the deltas (of reasoning
if the request wants it, of text, of tool calls), then the finish reason, then `[DONE]`. An error in mid-stream is an
`event: error`. Groq sends the usage with the finish reason; OpenAI sends it in a chunk of its own, and only on request.
The rules on what each model accepts are in `chat_models`.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import ssl
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, Self

from tests.simulators.brain import Answer, Call, ChatMessage, default_answer
from tests.simulators.chat_models import GROQ_PREFIX, TokenLimit, prompt_tokens, refusal
from tests.simulators.faults import Fault, Faults, Planned
from tests.simulators.http_connection import HttpConnection, Received

PREFIXES = (GROQ_PREFIX, "/v1")
"""The paths at which Groq and OpenAI serve chat completions."""


@dataclass
class ChatSimulator:
    """A server on a free port, which answers a request with the next of `answers` or, when none is left, asks `brain`.

    `key` is the only key that is accepted; if it is None, any key is, but a request must have one. The first token
    comes after `first_token_s`, the others every `token_s`. `shutdowns` maps models to dates, as OpenAI lists them.
    `limit` is the rate limit of the account. `headers` are added to every answer. `garbage` is sent for the fault
    GARBAGE. `retry_at_date` gives Retry-After as a date.
    """

    key: str | None = None
    models: tuple[str, ...] = ("openai/gpt-oss-120b", "llama-3.3-70b-versatile", "gpt-6-luna", "gpt-4o-mini")
    shutdowns: dict[str, str] = field(default_factory=dict)
    limit: TokenLimit | None = None
    first_token_s: float = 0.0
    token_s: float = 0.0
    brain: Callable[[Sequence[ChatMessage], Sequence[str]], Answer] = default_answer
    garbage: bytes = b'data: {"id": "chatcmpl-\n\n'
    retry_at_date: bool = False
    tls: ssl.SSLContext | None = None
    headers: dict[str, str] = field(default_factory=dict)
    answers: deque[Answer] = field(default_factory=deque)
    faults: Faults = field(default_factory=Faults)
    requests: list[Received] = field(default_factory=list)
    open: int = 0
    """The number of open sockets."""
    connections: int = 0
    """The number of connections since the start."""

    async def __aenter__(self) -> Self:
        self._connected: set[asyncio.Task[None]] = set()
        self._ids = itertools.count(1)
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self.tls)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._connected:
            task.cancel()
        if self._connected:
            await asyncio.wait(self._connected)
        for request in self.requests:
            request.gone.cancel()

    @property
    def url(self) -> str:
        """The base URL, without a path."""
        host, port = self._server.sockets[0].getsockname()
        return f"{'https' if self.tls else 'http'}://{host}:{port}"

    @property
    def completions(self) -> list[Received]:
        return [request for request in self.requests if request.path.endswith("/chat/completions")]

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(HttpConnection(reader, writer, self.headers)), name="simulated chat")
        self._connected.add(task)
        task.add_done_callback(self._connected.discard)

    async def _serve(self, http: HttpConnection) -> None:
        self.open += 1
        self.connections += 1
        try:
            while request := await http.request():
                self.requests.append(request)
                await http.while_connected(self._answer(http, request), request.gone)
                if not http.next():
                    break
        except ConnectionError:
            pass
        finally:
            http.abort()
            self.open -= 1

    async def _answer(self, http: HttpConnection, request: Received) -> None:
        planned = self.faults.next()
        if planned is not None and await self._failed(http, request, planned):
            return
        if await self.respond(http, request):
            return
        path = request.path
        for prefix in PREFIXES:
            path = path.removeprefix(prefix)
        wrong = self._refusal(request, path)
        if wrong is not None:
            await http.json(*wrong)
        elif path == "/models":
            await http.json(200, {"object": "list", "data": [self._listed(model) for model in self.models]})
        elif (wait_s := self._over_limit(request)) is not None:
            headers = {**self._limit_headers, "Retry-After": f"{wait_s:.0f}"}
            await http.json(
                429, _error_body("Rate limit reached on tokens per minute (TPM)", "rate_limit_exceeded"), headers
            )
        else:
            answer = self.answers.popleft() if self.answers else self.brain(*_conversation(request.body))
            if answer.status is not None:
                await http.json(answer.status, {"error": dict(answer.error or {})})
                return
            await self._stream(http, request, answer, planned)

    async def respond(self, http: HttpConnection, request: Received) -> bool:
        """Answers a request that only a subclass knows. Returns True if it did."""
        return False

    async def _failed(self, http: HttpConnection, request: Received, planned: Planned) -> bool:
        """Injects the planned fault. Returns True if there is nothing more to answer."""
        match planned.fault:
            case Fault.REFUSE:
                http.abort()
                return True
            case Fault.HANG:
                await asyncio.Event().wait()
            case Fault.HALF_OPEN:
                http.stop_reading()
                await asyncio.Event().wait()
            case Fault.SLOW_FIRST_BYTE:
                await asyncio.sleep(planned.delay_s)
            case fault if fault.is_in_mid_stream:
                pass
            case Fault.NO_CREDIT:
                # Listing the models is free, so it works without credit.
                if not request.path.endswith("/chat/completions"):
                    return False
                await http.json(429, _error_body("You exceeded your current quota", "insufficient_quota"))
                return True
            case fault:
                assert fault.status is not None
                await http.json(fault.status, _error(fault.status, request), self._retry_after(planned))
                return True
        return False

    def _retry_after(self, planned: Planned) -> dict[str, str]:
        if planned.retry_after_s is None:
            return {}
        if self.retry_at_date:
            moment = datetime.now(UTC) + timedelta(seconds=planned.retry_after_s)
            return {"Retry-After": format_datetime(moment, usegmt=True)}
        return {"Retry-After": f"{planned.retry_after_s:g}"}

    def _refusal(self, request: Received, path: str) -> tuple[int, dict[str, Any]] | None:
        """Returns the status and the body of the error if the request is refused."""
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or not key or (self.key is not None and key != self.key):
            return 401, _error(401, request)
        if path == "/models" and request.method == "GET":
            return None
        if path != "/chat/completions" or request.method != "POST":
            return 404, _error_body(f"Unknown request URL: {request.method} {request.path}", "unknown_url")
        if request.body["model"] not in self.models:
            return 404, _error_body(f"The model `{request.body['model']}` does not exist", "model_not_found")
        if not request.body.get("stream"):
            return 400, _error_body("The simulator only streams", "stream_expected")
        if problem := _misplaced(request.body["messages"]):
            return 400, _error_body(problem, "invalid_request")
        error = refusal(request.path, request.body)
        return None if error is None else (400, error)

    def _listed(self, model: str) -> dict[str, Any]:
        fixed = {"id": model, "object": "model", "created": 0, "owned_by": "simulator", "active": True}
        return fixed | ({"shutdown_date": self.shutdowns[model]} if model in self.shutdowns else {})

    def _over_limit(self, request: Received) -> float | None:
        return None if self.limit is None else self.limit.admit(prompt_tokens(request.body))

    @property
    def _limit_headers(self) -> dict[str, str]:
        return {} if self.limit is None else self.limit.headers

    async def _stream(self, http: HttpConnection, request: Received, answer: Answer, planned: Planned | None) -> None:
        fixed = {
            "id": f"chatcmpl-{next(self._ids)}",
            "object": "chat.completion.chunk",
            "created": 1771438841,
            "model": request.body["model"],
            "system_fingerprint": "fp_simulator",
        }
        await http.head(200, {"Content-Type": "text/event-stream", "Cache-Control": "no-cache", **self._limit_headers})
        if self.limit is not None:
            self.limit.spend(len(answer.tokens) + len(answer.reasoning_tokens))
        await asyncio.sleep(self.first_token_s)
        for sent, event in enumerate(_events(fixed, answer, request)):
            if planned is not None and sent == planned.after:
                match planned.fault:
                    case Fault.CUT:
                        http.abort()
                        return
                    case Fault.RESET:
                        http.reset()
                        return
                    case Fault.GARBAGE:
                        await http.piece(self.garbage)
                    case Fault.STALL:
                        await asyncio.Event().wait()
                    case _:
                        pass
            if planned is not None and planned.fault is Fault.TRICKLE:
                await asyncio.sleep(planned.delay_s)
            elif sent > 1:
                await asyncio.sleep(self.token_s)
            await http.piece(event)
        await http.end()


def _events(fixed: dict[str, Any], answer: Answer, request: Received) -> list[bytes]:
    is_groq = request.path.startswith(GROQ_PREFIX)
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    if request.body.get("include_reasoning", True) and request.body.get("reasoning_format") != "hidden":
        deltas += [{"reasoning": token, "channel": "analysis"} for token in answer.reasoning_tokens]
    deltas += [{"content": token} for token in answer.tokens]
    for index, call in enumerate(answer.calls):
        deltas += _call_deltas(index, call)
    events = [_event({**fixed, "choices": [_choice(delta)]}) for delta in deltas]
    if answer.error is not None:
        return [*events, b"event: error\n" + _event({"error": dict(answer.error)})]
    if answer.finish != "":
        reason = answer.finish or ("tool_calls" if answer.calls else "stop")
        made, asked = len(answer.tokens) + len(answer.reasoning_tokens), prompt_tokens(request.body)
        usage: dict[str, Any] = {
            "prompt_tokens": asked,
            "completion_tokens": made,
            "total_tokens": asked + made,
            "completion_tokens_details": {"reasoning_tokens": len(answer.reasoning_tokens)},
        }
        end: dict[str, Any] = {**fixed, "choices": [_choice({}, reason)]}
        if is_groq:
            end |= {"x_groq": {"id": "req_1", "usage": usage}, "usage": usage}
        events.append(_event(end))
        if not is_groq and (request.body.get("stream_options") or {}).get("include_usage"):
            events.append(_event({**fixed, "choices": [], "usage": usage}))
        events.append(b"data: [DONE]\n\n")
    return events


def _call_deltas(index: int, call: Call) -> list[dict[str, Any]]:
    """Returns the deltas of a tool call. A call without pieces comes as Groq sends it: whole, in one delta."""
    first, *pieces = ["", *call.pieces()] if call.piece else [call.text]
    function = {"name": call.name, "arguments": first}
    parts: list[dict[str, Any]] = [{"id": f"call_{index}", "type": "function", "function": function}]
    parts += [{"function": {"arguments": piece}} for piece in pieces]
    return [{"tool_calls": [{"index": index, **part}]} for part in parts]


def _choice(delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}


def _event(data: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(data)}\n\n".encode()


def _error_body(message: str, code: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "code": code}}


def _error(status: int, request: Received) -> dict[str, Any]:
    """Returns an error whose text contains the key and the user's words, as errors of real services may."""
    text = f"Failed with {request.headers.get('authorization')} for {json.dumps(request.body)}"
    code = {401: "invalid_api_key", 429: "rate_limit_exceeded"}.get(status)
    return {
        "error": {"message": text, "type": "invalid_request_error" if status < 500 else "server_error", "code": code}
    }


def _misplaced(messages: list[dict[str, Any]]) -> str | None:
    """Returns an error if a tool result has no call or a tool call has no result, as the services do."""
    open_calls: set[str] = set()
    for message in messages:
        if message["role"] == "tool":
            if message["tool_call_id"] not in open_calls:
                return "messages with role 'tool' must follow a message with 'tool_calls'"
            open_calls.discard(message["tool_call_id"])
        elif open_calls:
            return "a message with 'tool_calls' must be followed by their results"
        open_calls |= {call["id"] for call in message.get("tool_calls") or ()}
    return "a message with 'tool_calls' must be followed by their results" if open_calls else None


def _conversation(body: dict[str, Any]) -> tuple[list[ChatMessage], list[str]]:
    messages = [ChatMessage(each["role"], each["content"] or "") for each in body["messages"]]
    return messages, [tool["function"]["name"] for tool in body.get("tools") or ()]
