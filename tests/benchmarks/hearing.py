"""What a user heard of a bot: stretches of sound and silence, and which samples of the bot's voice they were."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tests.benchmarks.oracle import name_in
from tests.support.position_voice import Place, Samples, gains, locate_among
from tests.support.rtc_recorder import HeardFrame, Recorder
from voicebot.audio.sound import FRAME_S, FRAME_SAMPLES, WIRE_RATE_HZ

SILENCE_S = 0.1
"""Less than this between two sounds is no silence."""

NOTHING_S = 0.25
"""A bot that sends nothing for so long is silent; less may be a network or a machine that was busy."""

WINDOW_FRAMES = 5
"""What is located in the voice: 100 ms."""

MATCH = 0.5
"""The least correlation of a window that is the voice; what comes through Opus has 0.98."""

LATELY_S = 40.0
"""A sentence is heard within this time after it was made: a story lasts 21 s."""

EDGE = 24
"""Width in samples of the steps in which a fade is measured."""

RESOLUTION = 24
"""Where a fade ends is found to some 4 samples (standard deviation); less than this, half a millisecond, is nothing."""

AFTER = 20
"""How many steps (10 ms) after the middle of a fade must be quiet on the whole, for it to be one."""


@dataclass(frozen=True, slots=True)
class Run:
    """Frames of sound in a row, from the one at index `first` to the one before `last`."""

    first: int
    last: int
    began_s: float
    ended_s: float
    """When its first and its last frame arrived."""


@dataclass(frozen=True, slots=True)
class Resumption:
    """What a pause did to the samples: all of this is counted in them."""

    silence: float
    """Length of the pause on the wire, from the end of the fade out to the begin of the fade in."""
    lost: float
    """Samples of the voice that were never heard; below 0: heard twice."""


def runs(frames: Sequence[HeardFrame], since_s: float = 0.0) -> list[Run]:
    """The stretches of sound that ended after `since_s`."""
    found: list[Run] = []
    for index in range(len(frames) - 1, -1, -1):
        at_s = frames[index].arrived_s
        follows = bool(found) and _follows(found[-1], index, at_s)
        if at_s < since_s - NOTHING_S and not follows:
            break
        if not frames[index].is_sound:
            continue
        if follows:
            found[-1] = replace(found[-1], first=index, began_s=at_s)
        elif at_s >= since_s:
            found.append(Run(index, index + 1, at_s, at_s))
    return found[::-1]


def _follows(run: Run, index: int, at_s: float) -> bool:
    """Does the run go on right after the frame of this index?"""
    return (run.first - index - 1) * FRAME_S < SILENCE_S and run.began_s - at_s < NOTHING_S


async def hush(recorder: Recorder, silence_s: float, timeout_s: float) -> None:
    """Until nothing has sounded for so long. Raises TimeoutError."""
    async with asyncio.timeout(timeout_s):
        while runs(recorder.frames, time.monotonic() - silence_s):  # noqa: ASYNC110 (a bot that sends nothing wakes nobody)
            await asyncio.sleep(0.05)


class Track:
    """The received sound against the record of what the bot's voice was given to say."""

    def __init__(self, frames: Sequence[HeardFrame], sentences: Sequence[dict[str, Any]]) -> None:
        self._frames = frames
        self._sentences = sentences

    def place(self, first: int, near: int | None = None) -> Place | None:
        """Where in the voice the 100 ms from this frame on are; None if they are not the voice.

        Positions around `near` are tried first, then all that was made in the `LATELY_S` before.
        """
        window = self._sound(first, first + WINDOW_FRAMES)
        if len(window) < WINDOW_FRAMES * FRAME_SAMPLES:
            return None
        at_s = self._frames[first].arrived_s
        lately = [each for each in self._sentences if at_s - LATELY_S < each["began_s"] < at_s]
        ranges = [] if near is None else [(max(0, near - WIRE_RATE_HZ), near + 2 * WIRE_RATE_HZ)]
        ranges += [(each["start"], each["start"] + each["count"]) for each in reversed(lately)]
        place = locate_among(window, ranges, MATCH)
        return place if place.match >= MATCH else None

    def reply(self, place: Place | None) -> str | None:
        """The name of the reply that was speaking there."""
        if place is None:
            return None
        for sentence in reversed(self._sentences):
            if sentence["start"] - FRAME_SAMPLES <= place.position < sentence["start"] + sentence["count"]:
                return name_in(sentence["text"])
        return None

    def reply_in(self, run: Run) -> str | None:
        """The name of the reply that a stretch of sound begins with, by its first window that is clear."""
        for first in range(run.first + 1, max(run.first + 2, run.last - WINDOW_FRAMES), WINDOW_FRAMES):
            name = self.reply(self.place(first))
            if name is not None:
                return name
        return None

    def reply_at_end(self, run: Run) -> str | None:
        return self.reply(self.place(max(run.first, run.last - WINDOW_FRAMES - 2)))

    def resumption(self, before: Run, after: Run) -> Resumption | None:
        """From the end of one run to the begin of the next; None if the voice can't be followed over the pause.

        The offset between received samples and positions is exact to the sample on either side. Where the sound ends
        is found from its fade (or its sudden end).
        """
        last, first = max(before.first, before.last - WINDOW_FRAMES - 2), after.first + 2
        old = self.place(last)
        new = self.place(first, near=old.position if old else None)
        if old is None or new is None:
            return None
        before_offset = old.position - last * FRAME_SAMPLES
        after_offset = new.position - first * FRAME_SAMPLES
        fade_out = _edge(self._sound(last, before.last + 2), old.position, falling=True)
        start = after.first - 2
        fade_in = _edge(self._sound(start, first + WINDOW_FRAMES), after_offset + start * FRAME_SAMPLES, falling=False)
        if fade_out is None or fade_in is None:
            return None
        silence = start * FRAME_SAMPLES + fade_in - last * FRAME_SAMPLES - fade_out
        return Resumption(silence, silence - (before_offset - after_offset))

    def _sound(self, first: int, last: int) -> Samples:
        pieces = [frame.audio.samples for frame in self._frames[max(0, first) : last]]
        return np.concatenate(pieces) if pieces else np.zeros(0, np.int16)


def _edge(sound: Samples, position: int, *, falling: bool) -> float | None:
    """Where the voice comes to nothing in this sound, or rises from it; None if it does neither.

    The gain of a sine-shaped fade is a straight line once its arcsine is taken; a sudden end lies where the gain
    crosses one half.
    """
    if position < 0:
        return None
    steps = gains(sound, position, EDGE)
    gain = steps if falling else steps[::-1]
    quiet = (at for at in range(1, len(gain) - AFTER) if gain[at] < 0.5 and np.mean(gain[at : at + AFTER]) < 0.3)
    at = next(quiet, None)
    if at is None:
        return None
    low, high = at, at
    while low > 0 and 0.12 < gain[low - 1] < 0.9:
        low -= 1
    while high < len(gain) and 0.12 < gain[high] < 0.9:
        high += 1
    edge = float(at)
    if high - low >= 4:
        slope, base = np.polyfit(np.arange(low, high) + 0.5, np.arcsin(np.clip(gain[low:high], 0, 1)), 1)
        edge = float(-base / slope)
    return (edge if falling else len(gain) - edge) * EDGE
