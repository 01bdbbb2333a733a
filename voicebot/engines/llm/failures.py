"""What a failed request to a model's service means, in plain words.

Never in the service's own: those may hold the key, or what was said. Only statuses and codes are read.
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

TOLD: Mapping[Fault, str] = {
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
"""Where there is more to say than `TOLD` does."""

TOOL_USE_FAILED = "tool_use_failed"
"""Groq's code for a tool call of the model's that is none. The next try may do better."""

CODES: Mapping[str, tuple[Fault, str]] = {
    "invalid_api_key": (Fault.DENIED, TOLD[Fault.DENIED]),
    "insufficient_quota": (Fault.UNPAID, TOLD[Fault.UNPAID]),
    "rate_limit_exceeded": (Fault.LIMITED, TOLD[Fault.LIMITED]),
    "model_not_found": (Fault.MISSING, TOLD[Fault.MISSING]),
    # Groq, of a model that it has shut down.
    "model_decommissioned": (Fault.MISSING, TOLD[Fault.MISSING]),
    "context_length_exceeded": (Fault.REJECTED, "the conversation is too long for the model"),
    "content_filter": (Fault.REJECTED, "the service refused to answer this"),
    TOOL_USE_FAILED: (Fault.BROKEN, "the model called a tool wrongly"),
    "session_expired": (Fault.SERVER, TOLD[Fault.SERVER]),
    "server_error": (Fault.SERVER, TOLD[Fault.SERVER]),
    "internal_server_error": (Fault.SERVER, TOLD[Fault.SERVER]),
}
"""The `code` or `type` of an error as OpenAI and Groq tell it, where that says more than the status.

Sources: platform.openai.com/docs/guides/error-codes, console.groq.com/docs/errors.
"""


@dataclass(frozen=True, slots=True)
class ClientErrors:
    """The errors by which the client of `engine` reports failures, by what they mean.

    Those of `answered` have a `status_code` and a `response`; those of `told` come inside a stream; both have a `body`.
    """

    engine: str
    timeout: Errors
    answered: Errors
    unreachable: Errors
    told: Errors
    broken: Errors

    @contextmanager
    def as_engine_errors(self, *, connected: bool = False) -> Iterator[None]:
        """`connected`: there is an answer already, so that a connection that is lost is an answer that is."""
        try:
            yield
        # The classes contain one another: the order goes from the special to the general.
        except self.timeout as error:
            raise failure(self.engine, Fault.TIMEOUT) from error
        except self.answered as error:
            raise status_failure(self.engine, *_status(error), body=_body(error)) from error
        except self.unreachable as error:
            raise failure(self.engine, Fault.BROKEN if connected else Fault.UNREACHABLE) from error
        except self.told as error:
            raise told_failure(self.engine, _body(error)) from error
        except self.broken as error:
            raise failure(self.engine, Fault.BROKEN) from error


class ToolUseError(EngineError):
    """The model called a tool in a way that its service could not read. `spoken`: some of the answer came before."""

    spoken = False


def failure(engine: str, fault: Fault) -> EngineError:
    return EngineError(engine, TOLD[fault], fault=fault)


def status_failure(
    engine: str, status: int, headers: Mapping[str, str], body: object = None, now: datetime | None = None
) -> EngineError:
    """What an answer with an HTTP status of 400 or more means; `body` is the error in it, if it was JSON."""
    fault = Fault.of_status(status)
    if status == 413:  # Groq says so by the code of a rate limit; the next try is shorter
        fault, message = Fault.LIMITED, STATUSES[status]
    else:
        fault, message = _known(body) or (fault, STATUSES.get(status, TOLD[fault]))
    kind = ToolUseError if code_of(body) == TOOL_USE_FAILED else EngineError
    return kind(engine, f"{message} (HTTP {status})", fault=fault, retry_after_s=wait_s(headers, now))


def told_failure(engine: str, body: object) -> EngineError:
    """What an error means that came as an event, after the HTTP status: `{"type": …, "code": …}`."""
    if known := _known(body):
        kind = ToolUseError if code_of(body) == TOOL_USE_FAILED else EngineError
        return kind(engine, known[1], fault=known[0])
    told = body if isinstance(body, dict) else {}
    if isinstance(status := told.get("status_code"), int):
        return status_failure(engine, status, {})
    return failure(engine, Fault.REJECTED if told.get("type") == "invalid_request_error" else Fault.SERVER)


def other_failure(engine: str, error: Exception) -> EngineError:
    """What an error of a client that nothing more is known of means."""
    status, headers = _status(error)
    if status:
        return status_failure(engine, status, headers)
    if isinstance(error, TimeoutError):
        return failure(engine, Fault.TIMEOUT)
    if isinstance(error, OSError):
        return failure(engine, Fault.UNREACHABLE)
    return EngineError(engine, f"the model failed: {type(error).__name__}")


def wait_s(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """How long to wait before the next request, by OpenAI's header in ms or by Retry-After; None if neither says."""
    milliseconds = headers.get("retry-after-ms", "")
    if milliseconds.replace(".", "", 1).isdecimal():
        return float(milliseconds) / 1000
    return retry_after_s(headers.get("retry-after"), now)


def code_of(body: object) -> str | None:
    """The code of an error, or its type where that is the code; None if neither is one that we know."""
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
