"""Turns failures of a model's service into EngineErrors in plain words.

Only statuses and codes are read. The service's own words are never shown: they may hold the key, or what was said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from voicebot.engines.errors import EngineError, Fault
from voicebot.engines.retry_after import retry_after_s

Errors = tuple[type[Exception], ...]

MESSAGES: Mapping[Fault, str] = {
    Fault.DENIED: "the key was not accepted",
    Fault.UNPAID: "the account has no credit left",
    Fault.REJECTED: "the request was not accepted",
    Fault.MISSING: "there is no such model",
    Fault.LIMITED: "too many requests",
    Fault.UNREACHABLE: "no connection",
    Fault.SERVER: "the service failed",
    Fault.TIMEOUT: "no answer in time",
    Fault.BROKEN: "the answer was cut short or made no sense",
}

STATUSES: Mapping[int, str] = {
    403: "the key may not be used for this",
    404: "there is no such model or address",
    413: "the conversation is too long",
}
"""Messages for statuses that say more than their fault in `MESSAGES`."""

TOOL_USE_FAILED = "tool_use_failed"
"""Groq's code for an invalid tool call by the model. The next attempt may succeed."""

CODES: Mapping[str, tuple[Fault, str]] = {
    "invalid_api_key": (Fault.DENIED, MESSAGES[Fault.DENIED]),
    "insufficient_quota": (Fault.UNPAID, MESSAGES[Fault.UNPAID]),
    "rate_limit_exceeded": (Fault.LIMITED, MESSAGES[Fault.LIMITED]),
    "model_not_found": (Fault.MISSING, MESSAGES[Fault.MISSING]),
    # Groq's code for a model that it has shut down.
    "model_decommissioned": (Fault.MISSING, MESSAGES[Fault.MISSING]),
    "context_length_exceeded": (Fault.REJECTED, "the conversation is too long for the model"),
    "content_filter": (Fault.REJECTED, "the service refused to answer this"),
    TOOL_USE_FAILED: (Fault.BROKEN, "the model called a tool wrongly"),
    "session_expired": (Fault.SERVER, MESSAGES[Fault.SERVER]),
    "server_error": (Fault.SERVER, MESSAGES[Fault.SERVER]),
    "internal_server_error": (Fault.SERVER, MESSAGES[Fault.SERVER]),
}
"""The `code` or `type` in an error of OpenAI or Groq, where it says more than the status.

Sources: platform.openai.com/docs/guides/error-codes, console.groq.com/docs/errors.
"""


@dataclass(frozen=True, slots=True)
class ClientErrors:
    """The exception classes of the client of `engine`, by what they mean.

    Errors of `answered` have a `status_code` and a `response`. Errors of `streamed` were sent inside a stream. Both
    have a `body`.
    """

    engine: str
    timeout: Errors
    answered: Errors
    unreachable: Errors
    streamed: Errors
    broken: Errors

    @contextmanager
    def as_engine_errors(self, *, connected: bool = False) -> Iterator[None]:
        """Raises the client's errors as EngineErrors. If `connected`, a lost connection is a broken answer."""
        try:
            yield
        # Some of these classes are subclasses of others, so the special ones come first.
        except self.timeout as error:
            raise failure(self.engine, Fault.TIMEOUT) from error
        except self.answered as error:
            raise status_failure(self.engine, *_status(error), body=_body(error)) from error
        except self.unreachable as error:
            raise failure(self.engine, Fault.BROKEN if connected else Fault.UNREACHABLE) from error
        except self.streamed as error:
            raise streamed_failure(self.engine, _body(error)) from error
        except self.broken as error:
            raise failure(self.engine, Fault.BROKEN) from error


class ToolUseError(EngineError):
    """The model called a tool in a way that its service could not read. `spoken` is True if text came before that."""

    spoken = False


def failure(engine: str, fault: Fault) -> EngineError:
    """Returns the error for `fault` with its usual message."""
    return EngineError(engine, MESSAGES[fault], fault=fault)


def status_failure(
    engine: str, status: int, headers: Mapping[str, str], body: object = None, now: datetime | None = None
) -> EngineError:
    """Returns the error for an HTTP status of 400 or more. `body` is the parsed JSON of the answer, if it was JSON."""
    fault = Fault.of_status(status)
    if status == 413:  # Groq sends the code of a rate limit with it; the next request is made shorter
        fault, message = Fault.LIMITED, STATUSES[status]
    else:
        fault, message = _known(body) or (fault, STATUSES.get(status, MESSAGES[fault]))
    kind = ToolUseError if code_of(body) == TOOL_USE_FAILED else EngineError
    return kind(engine, f"{message} (HTTP {status})", fault=fault, retry_after_s=wait_s(headers, now))


def streamed_failure(engine: str, body: object) -> EngineError:
    """Returns the error for an error event inside a stream, `{"type": …, "code": …}`."""
    if known := _known(body):
        kind = ToolUseError if code_of(body) == TOOL_USE_FAILED else EngineError
        return kind(engine, known[1], fault=known[0])
    event = body if isinstance(body, dict) else {}
    if isinstance(status := event.get("status_code"), int):
        return status_failure(engine, status, {})
    return failure(engine, Fault.REJECTED if event.get("type") == "invalid_request_error" else Fault.SERVER)


def other_failure(engine: str, error: Exception) -> EngineError:
    """Returns the error for an exception of a client whose classes are not known."""
    status, headers = _status(error)
    if status:
        return status_failure(engine, status, headers)
    if isinstance(error, TimeoutError):
        return failure(engine, Fault.TIMEOUT)
    if isinstance(error, OSError):
        return failure(engine, Fault.UNREACHABLE)
    return EngineError(engine, f"the model failed: {type(error).__name__}")


def wait_s(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Returns how long to wait before the next request, from OpenAI's header in ms or Retry-After, or None."""
    milliseconds = headers.get("retry-after-ms", "")
    if milliseconds.replace(".", "", 1).isdecimal():
        return float(milliseconds) / 1000
    return retry_after_s(headers.get("retry-after"), now)


def code_of(body: object) -> str | None:
    """Returns the first of an error's `code` and `type` that is in `CODES`, or None."""
    if not isinstance(body, dict):
        return None
    inner: Any = body["error"] if isinstance(body.get("error"), dict) else body
    return next((code for code in (str(inner.get("code")), str(inner.get("type"))) if code in CODES), None)


def _known(body: object) -> tuple[Fault, str] | None:
    code = code_of(body)
    return None if code is None else CODES[code]


def _status(error: Exception) -> tuple[int, Mapping[str, str]]:
    status, response = getattr(error, "status_code", 0), getattr(error, "response", None)
    return status if isinstance(status, int) else 0, getattr(response, "headers", {})


def _body(error: Exception) -> object:
    return getattr(error, "body", None)
