"""How much sound a session may have us work on: no more than can have been spoken."""

from __future__ import annotations

import math
import time

from voicebot.runtime.clock import Clock


class SoundBudget:
    """As many seconds as have gone by since it was made, and `burst_s` more; of these `burst_s` at once and the rest at
    `pace` times the pace of the clock.

    `spend` may go into debt: then `wait_s` says for how long nothing more may be spent.
    """

    def __init__(self, burst_s: float, pace: float = math.inf, clock: Clock = time.monotonic) -> None:
        self._burst_s, self._pace, self._clock = burst_s, pace, clock
        self._began_s = self._paced_s = clock()
        self._spent_s = 0.0
        self._at_once_s = burst_s
        """What may be spent now as far as the pace goes."""

    def spend(self, sound_s: float) -> None:
        self._refill()
        self._spent_s += sound_s
        self._at_once_s -= sound_s

    @property
    def wait_s(self) -> float:
        """How long to wait before anything more is spent; 0 if there is something left."""
        now_s = self._refill()
        by_the_clock_s = self._spent_s - self._burst_s - (now_s - self._began_s)
        return max(0.0, by_the_clock_s, -self._at_once_s / self._pace)

    def _refill(self) -> float:
        now_s = self._clock()
        if now_s > self._paced_s:
            self._at_once_s = min(self._burst_s, self._at_once_s + (now_s - self._paced_s) * self._pace)
            self._paced_s = now_s
        return now_s
