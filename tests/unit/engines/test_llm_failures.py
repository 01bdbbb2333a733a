"""Failed requests to a language model: the fault, the message, and the delay before a retry."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from voicebot.engines.errors import Fault
from voicebot.engines.llm.failures import status_failure, streamed_failure, wait_s

NOW = datetime(2026, 11, 19, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after": "Thu, 19 Nov 2026 12:00:09 GMT"}, 9),
        ({"retry-after": "Thu, 19 Nov 2026 11:00:00 GMT"}, 0),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "Thu, 19 Nov 2026 12:00:09 -0000"}, 9),
        ({"retry-after-ms": "x"}, None),
    ],
)
def test_the_retry_delay_is_read_from_the_response_headers(headers: dict[str, str], expected: float | None) -> None:
    assert wait_s(headers, NOW) == expected


@pytest.mark.parametrize(
    ("status", "body", "fault", "message"),
    [
        (400, None, Fault.REJECTED, "the request was not accepted (HTTP 400)"),
        (401, None, Fault.DENIED, "the key was not accepted (HTTP 401)"),
        (402, None, Fault.UNPAID, "the account has no credit left (HTTP 402)"),
        (403, None, Fault.DENIED, "the key may not be used for this (HTTP 403)"),
        (404, None, Fault.REJECTED, "there is no such model or address (HTTP 404)"),
        (413, None, Fault.LIMITED, "the conversation is too long (HTTP 413)"),
        (429, None, Fault.LIMITED, "too many requests (HTTP 429)"),
        (429, {"code": "insufficient_quota"}, Fault.UNPAID, "the account has no credit left (HTTP 429)"),
        (400, {"error": {"code": "tool_use_failed"}}, Fault.BROKEN, "the model called a tool wrongly (HTTP 400)"),
        (400, {"error": "no such thing"}, Fault.REJECTED, "the request was not accepted (HTTP 400)"),
        (503, ["?"], Fault.SERVER, "the service failed (HTTP 503)"),
        (504, None, Fault.TIMEOUT, "no answer in time (HTTP 504)"),
    ],
)
def test_an_http_status_becomes_a_fault_with_a_plain_message(
    status: int, body: object, fault: Fault, message: str
) -> None:
    error = status_failure("test", status, {}, body=body)
    assert (error.fault, error.message) == (fault, message)


def test_an_invalid_request_error_inside_a_stream_is_a_rejection() -> None:
    assert streamed_failure("test", {"type": "invalid_request_error", "code": "invalid_value"}).fault is Fault.REJECTED


@pytest.mark.parametrize("body", [None, {}, {"code": ["?"]}, {"error": None}, "text"])
def test_a_stream_error_without_details_counts_as_a_server_fault(body: object) -> None:
    assert streamed_failure("test", body).fault is Fault.SERVER
