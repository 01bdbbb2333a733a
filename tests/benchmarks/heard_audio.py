"""Finds in the received audio the stretches of sound and silence, and their position in the bot's voice."""

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
"""A gap between two sounds that is shorter than this does not count as silence."""

NOTHING_S = 0.25
"""A bot that sends nothing for this long is silent. Shorter gaps may be due to a busy network or machine."""

WINDOW_FRAMES = 5
"""The length of audio that is located in the voice: 100 ms."""

MATCH = 0.5
"""The least correlation of a window with the voice. Audio that went through Opus has 0.98."""

LATELY_S = 40.0
"""A sentence is heard within this time after it was made, since a story lasts 21 s."""

EDGE = 24
"""The width in samples of the steps in which a fade is measured."""

RESOLUTION = 24
"""The end of a fade is known to about 4 samples (standard deviation), so less than this, half a millisecond, is
zero."""

AFTER = 20
"""The number of steps (10 ms) after the middle of a fade that must be quiet on average."""


@dataclass(frozen=True, slots=True)
class Run:
    """Consecutive frames with sound, from index `first` up to but not including `last`."""

    first: int
    last: int
    began_s: float
    ended_s: float
    """The arrival times of the first and the last frame."""


@dataclass(frozen=True, slots=True)
class Resumption:
    """The effect of a pause on the samples. All fields count samples."""

    silence: float
    """The length of the pause on the wire, from the end of the fade-out to the beginning of the fade-in."""
    lost: float
    """The samples of the voice that were lost; negative if samples were repeated."""


def runs(frames: Sequence[HeardFrame], since_s: float = 0.0) -> list[Run]:
    """Returns the stretches of sound that ended after `since_s`."""
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
    """Returns True if the run continues directly after the frame at this index."""
    return (run.first - index - 1) * FRAME_S < SILENCE_S and run.began_s - at_s < NOTHING_S


async def hush(recorder: Recorder, silence_s: float, timeout_s: float) -> None:
    """Waits until there has been silence for this long. Raises TimeoutError."""
    async with asyncio.timeout(timeout_s):
        while runs(recorder.frames, time.monotonic() - silence_s):  # noqa: ASYNC110 (silence causes no event)
            await asyncio.sleep(0.05)


class Track:
    """Compares the received audio with the record of what the bot's voice was given to say."""

    def __init__(self, frames: Sequence[HeardFrame], sentences: Sequence[dict[str, Any]]) -> None:
        self._frames = frames
        self._sentences = sentences

    def place(self, first: int, near: int | None = None) -> Place | None:
        """Returns the position in the voice of the 100 ms from this frame on, or None if they are not the voice.

        It tries positions around `near` first, then everything that was made in the `LATELY_S` before.
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
        """Returns the name of the reply that was speaking at this position."""
        if place is None:
            return None
        for sentence in reversed(self._sentences):
            if sentence["start"] - FRAME_SAMPLES <= place.position < sentence["start"] + sentence["count"]:
                return name_in(sentence["text"])
        return None

    def reply_in(self, run: Run) -> str | None:
        """Returns the name of the reply with which a stretch of sound begins, by its first window that is clear."""
        for first in range(run.first + 1, max(run.first + 2, run.last - WINDOW_FRAMES), WINDOW_FRAMES):
            name = self.reply(self.place(first))
            if name is not None:
                return name
        return None

    def reply_at_end(self, run: Run) -> str | None:
        return self.reply(self.place(max(run.first, run.last - WINDOW_FRAMES - 2)))

    def resumption(self, before: Run, after: Run) -> Resumption | None:
        """Measures the pause between two runs. Returns None if the voice cannot be followed over it.

        The offset between received samples and positions is exact to a sample on either side. The end of the sound is
        found from its fade, or from its sudden stop.
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
    """Returns where the voice fades out in this sound, or fades in; None if it does neither.

    The arcsine of the gain of a sine-shaped fade is a straight line. A sudden stop lies where the gain crosses one
    half.
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
