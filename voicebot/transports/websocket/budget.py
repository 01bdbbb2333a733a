"""Limits how much sound of a session is processed: no more than a person can have spoken in the time."""

from __future__ import annotations

import math
import time

from voicebot.runtime.clock import Clock


class SoundBudget:
    """A budget in seconds of sound. In all it allows the time since its creation, and `burst_s` more.

    Up to `burst_s` may be spent at once. After that the budget refills at `pace` seconds of sound per second. `spend`
    may overdraw it; then nothing more may be spent for `wait_s`.
    """

    def __init__(self, burst_s: float, pace: float = math.inf, clock: Clock = time.monotonic) -> None:
        self._burst_s, self._pace, self._clock = burst_s, pace, clock
        self._began_s = self._paced_s = clock()
        self._spent_s = 0.0
        self._at_once_s = burst_s
        """How much the pace allows to be spent now."""

    def spend(self, sound_s: float) -> None:
        self._refill()
        self._spent_s += sound_s
        self._at_once_s -= sound_s

    @property
    def wait_s(self) -> float:
        """How long to wait before anything more may be spent; 0 if something is left."""
        now_s = self._refill()
        overdrawn_s = self._spent_s - self._burst_s - (now_s - self._began_s)
        return max(0.0, overdrawn_s, -self._at_once_s / self._pace)

    def _refill(self) -> float:
        now_s = self._clock()
        if now_s > self._paced_s:
            self._at_once_s = min(self._burst_s, self._at_once_s + (now_s - self._paced_s) * self._pace)
            self._paced_s = now_s
        return now_s
