"""Why an MCP server does not work, in words that visitors may read: they hold no key and no path."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator

import httpx2
from mcp import MCPError
from mcp_types import CONNECTION_CLOSED, REQUEST_TIMEOUT
from pydantic import ValidationError

from voicebot.engines.errors import Fault


class McpServerError(Exception):
    """An MCP server does not work. The message is for everybody; `detail` is only for the log."""

    def __init__(self, message: str, fault: Fault = Fault.BROKEN, detail: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.fault = fault
        self.detail = detail


def end_of_process(code: int | None) -> str:
    """Returns how a server's process ended."""
    if code is None:
        return "it closed its output"
    if code < 0:
        try:
            return f"it was killed by {signal.Signals(-code).name}"
        except ValueError:
            return f"it was killed by signal {-code}"
    return f"it ended with status {code}"


def server_error(error: BaseException, status: int | None = None) -> McpServerError:
    """Returns what an error of the SDK means. `status` is that of the last HTTP answer, if it was 400 or more."""
    single = list(leaves(error))
    for leaf in single:
        if isinstance(leaf, McpServerError):
            return leaf
    if status is not None:
        return _of_status(status)
    for leaf in single:
        if (known := _known(leaf)) is not None:
            return known
    first = single[0]
    return McpServerError(f"unexpected {type(first).__name__}", detail=str(first))


def leaves(error: BaseException) -> Iterator[BaseException]:
    """Yields the errors of a group, or else the error itself."""
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from leaves(each)
    else:
        yield error


def _of_status(status: int) -> McpServerError:
    fault = Fault.of_status(status)
    match status:
        case 401 | 403:
            return McpServerError(f"it refuses the login (status {status})", fault)
        case 404 | 405:
            return McpServerError(f"nothing there speaks streamable HTTP (status {status})", Fault.MISSING)
        case _:
            return McpServerError(f"it answers with status {status}", fault)


def _known(error: BaseException) -> McpServerError | None:
    match error:
        case httpx2.ConnectTimeout() | httpx2.ConnectError():
            return McpServerError("it cannot be reached", Fault.UNREACHABLE, str(error))
        case httpx2.TimeoutException() | asyncio.TimeoutError():
            return McpServerError("it did not answer in time", Fault.TIMEOUT)
        case httpx2.TransportError():
            return McpServerError("the connection broke", Fault.UNREACHABLE, str(error))
        case MCPError(code=code) if code == REQUEST_TIMEOUT:
            return McpServerError("it did not answer in time", Fault.TIMEOUT)
        case MCPError(code=code) if code == CONNECTION_CLOSED:
            return McpServerError("it closed the connection", Fault.UNREACHABLE)
        case MCPError():
            return McpServerError(f"it refused the request (error {error.code})", Fault.REJECTED, error.message)
        case ValidationError():
            problem = error.errors(include_url=False, include_input=False, include_context=False)[0]
            place = ".".join(map(str, problem["loc"]))
            return McpServerError(f"its answer is not valid ({place}: {problem['msg']})"[:200])
        case _:
            return None
