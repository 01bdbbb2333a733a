"""Rate limits are read from response headers and refill with time, on a clock that the tests set."""

from __future__ import annotations

import pytest

from tests.support.manual_clock import Clock
from voicebot.engines.llm.rate_limits import ANSWER_TOKENS, RateLimits, duration_s

FREE = 8_000


def headers(left: float, *, requests_left: int = 900, limit: int = FREE) -> dict[str, str]:
    return {
        "x-ratelimit-limit-tokens": str(limit),
        "x-ratelimit-remaining-tokens": str(left),
        "x-ratelimit-reset-tokens": f"{(limit - left) / limit * 60:.2f}s",
        "x-ratelimit-limit-requests": "1000",
        "x-ratelimit-remaining-requests": str(requests_left),
        "x-ratelimit-reset-requests": f"{(1_000 - requests_left) * 86.4:.2f}s",
    }


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7.66s", 7.66),
        ("2m59.56s", 179.56),
        ("120ms", 0.12),
        ("6h0m0s", 21_600),
        ("1d", 86_400),
        ("12", 12),
        ("0s", 0),
        ("", None),
        ("soon", None),
        ("7s later", None),
    ],
)
def test_durations_are_parsed_as_services_write_them(text: str, seconds: float | None) -> None:
    assert duration_s(text) == (None if seconds is None else pytest.approx(seconds))


def test_a_response_without_rate_limit_headers_limits_nothing() -> None:
    limits = RateLimits()
    limits.observe({"content-type": "text/event-stream"})
    limits.sent(1_000_000)
    limits.answered(100, 100, 100)
    assert (limits.wait_s(1_000_000), limits.history_tokens(500), limits.tokens_a_minute) == (0, None, None)
    assert limits.allows_preemptive


@pytest.mark.parametrize(
    "broken",
    [
        {"x-ratelimit-limit-tokens": "many"},
        {"x-ratelimit-limit-tokens": "0", "x-ratelimit-remaining-tokens": "0"},
        {"x-ratelimit-limit-tokens": "8000"},
        {"x-ratelimit-remaining-tokens": "-5", "x-ratelimit-limit-tokens": "8000"},
    ],
)
def test_headers_that_make_no_sense_are_ignored(broken: dict[str, str]) -> None:
    limits = RateLimits()
    limits.observe(broken)
    assert limits.history_tokens(0) is None
    assert limits.wait_s(10**9) == 0


def test_spent_tokens_refill_with_time() -> None:
    clock = Clock()
    limits = RateLimits(clock)
    limits.observe(headers(1_000))
    limits.answered(100, 100, 0)
    assert limits.wait_s(1_000) == 0
    assert limits.wait_s(1_400) == pytest.approx(3, abs=0.05)
    clock.now_s += 3
    assert limits.wait_s(1_400) == pytest.approx(0, abs=0.05)
    limits.sent(1_400)
    assert limits.wait_s(200) == pytest.approx(1.5, abs=0.1)
    limits.answered(0, 0, 400)
    assert limits.wait_s(200) == pytest.approx(4.5, abs=0.1)
    clock.now_s += 3_600
    assert limits.wait_s(FREE) == 0
    assert limits.wait_s(10 * FREE) == 0, "a request above the limit of a whole minute must be left to the service"


def test_a_preemptive_reply_needs_half_of_the_tokens_and_a_tenth_of_the_requests() -> None:
    clock = Clock()
    limits = RateLimits(clock)
    limits.observe(headers(4_100))
    assert limits.allows_preemptive
    limits.observe(headers(3_900))
    assert not limits.allows_preemptive
    clock.now_s += 60
    assert limits.allows_preemptive
    limits.observe(headers(8_000, requests_left=90))
    assert not limits.allows_preemptive
    limits.observe(headers(8_000, requests_left=0))
    assert limits.wait_s(1) > 1, "no request may be left"


def test_the_history_gets_a_third_of_the_tokens_left_after_two_requests_up_to_a_limit() -> None:
    limits = RateLimits(Clock())
    limits.answered(100, 100, 0)
    limits.observe(headers(2_000))
    assert limits.history_tokens(500) == (2_000 - 2 * (500 + ANSWER_TOKENS)) // 3
    limits.observe(headers(8_000))
    assert limits.history_tokens(500) == FREE // 12
    limits.observe(headers(1_000))
    assert limits.history_tokens(500) == 0


def test_the_token_count_of_the_service_corrects_the_estimate() -> None:
    limits = RateLimits(Clock())
    limits.observe(headers(6_000))
    limits.answered(500, 1_000, 0)
    assert limits.wait_s(3_100) > 0, "the tokens must count as 6,200"
    limits.answered(500, 10_000_000, 0)
    assert limits.wait_s(1_900) == 0, "one strange count must not change the estimate"


def test_a_reset_given_as_a_timestamp_does_not_stop_the_refill() -> None:
    clock = Clock()
    limits = RateLimits(clock)
    limits.observe({**headers(0), "x-ratelimit-reset-tokens": "1790000000"})
    clock.now_s += 60
    assert limits.wait_s(1_000) == 0
