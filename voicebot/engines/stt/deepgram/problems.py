"""What went wrong with Deepgram, in plain words that hold neither a key nor what was said."""

from __future__ import annotations

from collections.abc import Mapping

from websockets.exceptions import InvalidProxy, InvalidStatus, WebSocketException

from voicebot.engines.errors import EngineError, Fault
from voicebot.engines.retry_after import retry_after_s

_REASONS = {
    400: "the request was rejected",
    401: "the key is not accepted",
    402: "the account has no credit left",
    403: "the key may not use this service or this model",
    404: "there is no such service at this address",
    413: "the sound is too long",
    429: "too many requests",
}


def of_status(engine: str, status: int, headers: Mapping[str, str]) -> EngineError:
    """An answer with an HTTP status that is no success. `headers` must ignore case."""
    if status < 400:
        return EngineError(engine, f"the answer is not one of Deepgram's (HTTP {status})", fault=Fault.BROKEN)
    reason = _REASONS.get(status, "the service failed" if status >= 500 else "the request was rejected")
    wait_s = retry_after_s(headers.get("Retry-After"))
    return EngineError(engine, f"{reason} (HTTP {status})", fault=Fault.of_status(status), retry_after_s=wait_s)


def of_opening(engine: str, failure: WebSocketException | OSError) -> EngineError:
    """A connection could not be opened."""
    if isinstance(failure, InvalidStatus):
        return of_status(engine, failure.response.status_code, failure.response.headers)
    if isinstance(failure, TimeoutError):
        return EngineError(engine, "the connection did not open in time", fault=Fault.TIMEOUT)
    if isinstance(failure, InvalidProxy):
        return EngineError(engine, "the proxy's address must begin with http://", fault=Fault.UNREACHABLE)
    if isinstance(failure, OSError):
        return EngineError(engine, "no connection", fault=Fault.UNREACHABLE)
    if isinstance(failure.__cause__, EOFError):
        return EngineError(engine, "the connection broke")
    return EngineError(engine, "the answer is not one of Deepgram's")


def again(error: EngineError) -> EngineError:
    """The same for somebody else: a raised exception belongs to who raised it."""
    return EngineError(error.engine, error.message, fault=error.fault, retry_after_s=error.retry_after_s)
