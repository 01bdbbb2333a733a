"""Tracks a service's rate limits from its response headers, so that no request is sent that would be refused.

Groq and OpenAI send the same headers with every response (console.groq.com/docs/rate-limits,
platform.openai.com/docs/guides/rate-limits): `x-ratelimit-limit-tokens`, `-remaining-tokens` and `-reset-tokens` (the
time until all tokens are available again), and the same three for requests. Both services refill continuously.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass

from voicebot.runtime.clock import Clock

ANSWER_TOKENS = 200
"""Reserved for one spoken answer: three sentences have about 60 tokens, and a short reasoning about 100."""

HISTORY_SHARE, MOST_HISTORY = 1 / 3, 1 / 12

PREEMPTIVE_TOKENS = 0.5
"""A preemptive reply, which may be thrown away, is requested only while more than this share of the tokens is left."""

PREEMPTIVE_REQUESTS = 0.1
"""The same share for requests, which are usually limited per day."""

FIRST_CORRECTION = 1.25
"""Applied until the service has counted a request: too low an estimate gets refused, too high a one costs little."""

LEAST_CORRECTION, MOST_CORRECTION = 0.5, 3.0
"""Bounds of the factor by which the service's own count corrects the estimates."""

MINUTE_S = 60.0
LONGEST_RESET_S = 2 * 86_400.0
"""A longer value is no duration: some gateways send a date in seconds."""

_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|d|h|m|s)")
_UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}


@dataclass(slots=True)
class _Bucket:
    """An amount that refills by `per_s` up to `limit`; `left` is what there was at `at_s`."""

    limit: float
    left: float
    per_s: float
    at_s: float

    def available(self, now_s: float) -> float:
        return min(self.limit, self.left + self.per_s * (now_s - self.at_s))

    def take(self, amount: float, now_s: float) -> None:
        self.left = self.available(now_s) - amount
        self.at_s = now_s

    def wait_s(self, amount: float, now_s: float) -> float:
        """Returns the time until `amount` is available, or until the bucket is full if that is less."""
        missing = min(amount, self.limit) - self.available(now_s)
        return max(0.0, missing / self.per_s)


class RateLimits:
    """The limits of one model under one key, shared by all sessions.

    Nothing is limited before the first response with headers. `clock` is monotonic, in seconds.
    """

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._tokens: _Bucket | None = None
        self._requests: _Bucket | None = None
        self._correction = FIRST_CORRECTION
        self._most: float | None = None
        """The most estimated tokens that a request may have, after one was refused as too large."""

    @property
    def tokens_a_minute(self) -> int | None:
        """The token limit, or None if the service has not sent one."""
        return None if self._tokens is None else round(self._tokens.limit)

    @property
    def allows_preemptive(self) -> bool:
        """Whether enough is left for a preemptive reply."""
        now_s = self._clock()
        for bucket, share in ((self._tokens, PREEMPTIVE_TOKENS), (self._requests, PREEMPTIVE_REQUESTS)):
            if bucket is not None and bucket.available(now_s) <= bucket.limit * share:
                return False
        return True

    def history_tokens(self, fixed: int) -> int | None:
        """Returns how many tokens of history the next request may hold; None if no limit is known.

        `fixed` is the number of tokens in the system prompt and the tools, which every request holds. Two requests and
        answers are reserved, because the model may call a tool. This history gets a third of the rest, so that some
        tokens remain for the next turns, and at most a twelfth of a minute's tokens: a steady memory serves users
        better than one that is long in one turn and gone in the next (test_free_tier.py).
        """
        most = None if self._most is None else max(0, int(self._most - fixed))
        if self._tokens is None:
            return most
        left = self._tokens.available(self._clock()) / self._correction
        share = min((left - 2 * (fixed + ANSWER_TOKENS)) * HISTORY_SHARE, self._tokens.limit * MOST_HISTORY)
        return max(0, int(share if most is None else min(share, most)))

    def wait_s(self, tokens: int) -> float:
        """Returns how long a request with this many estimated tokens has to wait so that it is not refused."""
        now_s = self._clock()
        waits = [0.0]
        if self._tokens is not None:
            waits.append(self._tokens.wait_s(tokens * self._correction, now_s))
        if self._requests is not None:
            waits.append(self._requests.wait_s(1, now_s))
        return max(waits)

    def sent(self, tokens: int) -> None:
        """Takes the estimated tokens of a request that is being sent, so that no other session uses them."""
        now_s = self._clock()
        if self._tokens is not None:
            self._tokens.take(tokens * self._correction, now_s)
        if self._requests is not None:
            self._requests.take(1, now_s)

    def too_large(self, tokens: int) -> None:
        """Halves the longest allowed request, after the service has refused one of this length as too large."""
        self._most = tokens / 2

    def fits(self, context_tokens: int) -> None:
        """Sets the model's context length: the tokens of a request and its answer together, as the service counts."""
        self._most = max(0.0, context_tokens - ANSWER_TOKENS) / FIRST_CORRECTION

    def observe(self, headers: Mapping[str, str]) -> None:
        """Reads the headers of a response with any status."""
        self._tokens = self._bucket(headers, "tokens") or self._tokens
        self._requests = self._bucket(headers, "requests") or self._requests

    def answered(self, estimated: int, prompt_tokens: int, completion_tokens: int) -> None:
        """Takes the tokens of the answer, and corrects the next estimates by the service's own count of the request."""
        if estimated > 0 and prompt_tokens > 0:
            self._correction = min(max(prompt_tokens / estimated, LEAST_CORRECTION), MOST_CORRECTION)
        if self._tokens is not None:
            self._tokens.take(completion_tokens, self._clock())

    def _bucket(self, headers: Mapping[str, str], what: str) -> _Bucket | None:
        limit = _number(headers.get(f"x-ratelimit-limit-{what}"))
        left = _number(headers.get(f"x-ratelimit-remaining-{what}"))
        if not limit or left is None:
            return None
        reset_s = duration_s(headers.get(f"x-ratelimit-reset-{what}", ""))
        # Without a usable reset time the limit is taken as one per minute.
        told = reset_s is not None and 0 < reset_s <= LONGEST_RESET_S and left < limit
        per_s = (limit - left) / reset_s if told and reset_s else limit / MINUTE_S
        return _Bucket(limit, min(left, limit), per_s, self._clock())


def duration_s(text: str) -> float | None:
    """Parses a duration as the services write it ("7.66s", "2m59.56s", "120ms") or plain seconds; else returns None."""
    text = text.strip()
    if (number := _number(text)) is not None:
        return number
    parts = _PART.findall(text)
    if not parts or "".join(f"{number}{unit}" for number, unit in parts) != text:
        return None
    return sum(float(number) * _UNIT_S[unit] for number, unit in parts)


def _number(text: str | None) -> float | None:
    return float(text) if text is not None and re.fullmatch(r"\d+(\.\d+)?", text.strip()) else None
