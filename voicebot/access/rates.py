"""How often something may happen: token buckets, one or one for each address."""

from __future__ import annotations

import time
from collections import OrderedDict

from voicebot.runtime import limits
from voicebot.runtime.clock import Clock

MAX_ADDRESSES = 10_000
"""Of more addresses than this the least recent are forgotten: the memory that strangers can take is bounded."""


class TokenBucket:
    """`capacity` at once, then `per_s` on average. Full at first."""

    def __init__(self, per_s: float, capacity: float, clock: Clock = time.monotonic) -> None:
        self._per_s, self._capacity, self._clock = per_s, capacity, clock
        self._tokens, self._filled_s = capacity, clock()

    def _fill(self) -> float:
        now_s = self._clock()
        self._tokens = min(self._capacity, self._tokens + (now_s - self._filled_s) * self._per_s)
        self._filled_s = now_s
        return self._tokens

    def take(self, count: float = 1) -> bool:
        """Take so many tokens if they are there; returns whether they were."""
        if self._fill() < count:
            return False
        self._tokens -= count
        return True

    @property
    def wait_s(self) -> float:
        """Until there is a token; 0 if there is one."""
        return self.wait_for_s(1)

    def wait_for_s(self, count: float) -> float:
        """Until there are so many tokens."""
        return max(0.0, (count - self._fill()) / self._per_s)


class AddressBuckets:
    """A bucket for each address."""

    def __init__(self, per_s: float, capacity: float, clock: Clock = time.monotonic) -> None:
        self._per_s, self._capacity, self._clock = per_s, capacity, clock
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    def of(self, address: str) -> TokenBucket:
        bucket = self._buckets.pop(address, None) or TokenBucket(self._per_s, self._capacity, self._clock)
        self._buckets[address] = bucket
        if len(self._buckets) > MAX_ADDRESSES:
            self._buckets.popitem(last=False)
        return bucket


class FloodError(Exception):
    """A client sends far more than it may: its session should end. The text tells its user why."""


class MessageRate:
    """How many messages one session may send: `per_s` on average, and `BURST_S` seconds' worth of them at once.

    What is refused is counted too: `FLOOD_S` seconds' worth of that is a flood.
    """

    BURST_S = 5
    FLOOD_S = 50

    def __init__(self, per_s: float, clock: Clock = time.monotonic) -> None:
        self._per_s = per_s
        self._allowed = TokenBucket(per_s, max(1.0, per_s * self.BURST_S), clock)
        self._refused = TokenBucket(per_s, max(1.0, per_s * self.FLOOD_S), clock)

    def refusal(self) -> str | None:
        """Why the message that just came is not to be read; None if it is. Raises FloodError."""
        if self._allowed.take():
            return None
        if self._refused.take():
            return f"too many messages: {self._per_s:g} a second are allowed; this one was ignored"
        raise FloodError("Far too many messages came from your side.")


def text_rate(clock: Clock = time.monotonic) -> TokenBucket:
    """How many texts one session's user may type."""
    return TokenBucket(limits.TEXTS_PER_S, limits.TEXTS_AT_ONCE, clock)


TOO_MANY_TEXTS = f"text: more than {limits.TEXTS_PER_S:g} a second; this one was ignored, please send it again"
