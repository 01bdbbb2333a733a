"""Rate limits: token buckets, one for all clients or one for each address.

Packages such as `limits` and `slowapi` count requests of routes. Here a bucket also counts passwords, messages, bytes
and packets, and its clock can be replaced.
"""

from __future__ import annotations

import time
from collections import OrderedDict

from voicebot.runtime import limits
from voicebot.runtime.clock import Clock

MAX_ADDRESSES = 10_000
"""AddressBuckets forgets the least recent addresses beyond this number, which bounds the memory that strangers use."""


class TokenBucket:
    """A bucket of `capacity` tokens that refills at `per_s` tokens a second. It is full at first."""

    def __init__(self, per_s: float, capacity: float, clock: Clock = time.monotonic) -> None:
        self._per_s, self._capacity, self._clock = per_s, capacity, clock
        self._tokens, self._filled_s = capacity, clock()

    def _refill(self) -> float:
        now_s = self._clock()
        self._tokens = min(self._capacity, self._tokens + (now_s - self._filled_s) * self._per_s)
        self._filled_s = now_s
        return self._tokens

    def take(self, count: float = 1) -> bool:
        """Takes `count` tokens and returns True, or takes none and returns False if there are fewer."""
        if self._refill() < count:
            return False
        self._tokens -= count
        return True

    def give_back(self, count: float = 1) -> None:
        """Puts tokens back that were taken for something that does not count in the end."""
        self._tokens = min(self._capacity, self._refill() + count)

    def miss(self, count: float) -> None:
        """Removes tokens until at least `count` are missing. There may then be less than none."""
        self._tokens = min(self._refill(), self._capacity - count)

    @property
    def wait_s(self) -> float:
        """The time until there is a token; 0 if there is one."""
        return self.wait_for_s(1)

    def wait_for_s(self, count: float) -> float:
        """Returns the time until there are `count` tokens."""
        return max(0.0, (count - self._refill()) / self._per_s)


class AddressBuckets:
    """A token bucket for each address."""

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
    """A client sends far more than it may, and its session should close. The text tells its user why."""


class MessageRate:
    """The rate of one session's messages: `per_s` on average, and the messages of `BURST_S` seconds at once.

    Refused messages are counted too: those of `FLOOD_S` seconds at once are a flood.
    """

    BURST_S = 5
    FLOOD_S = 50

    def __init__(self, per_s: float, clock: Clock = time.monotonic) -> None:
        self._per_s = per_s
        self._allowed = TokenBucket(per_s, max(1.0, per_s * self.BURST_S), clock)
        self._refused = TokenBucket(per_s, max(1.0, per_s * self.FLOOD_S), clock)

    def refusal(self) -> str | None:
        """Counts a message. Returns None if it may be read, or else why it is ignored. Raises FloodError."""
        if self._allowed.take():
            return None
        if self._refused.take():
            return f"too many messages: {self._per_s:g} a second are allowed; this one was ignored"
        raise FloodError("Far too many messages came from your side.")


def text_rate(clock: Clock = time.monotonic) -> TokenBucket:
    """Returns the limit on the texts that the user of one session may type."""
    return TokenBucket(limits.TEXTS_PER_S, limits.TEXTS_AT_ONCE, clock)


TOO_MANY_TEXTS = f"text: more than {limits.TEXTS_PER_S:g} a second; this one was ignored, please send it again"
