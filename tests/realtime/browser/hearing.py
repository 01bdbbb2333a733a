"""Hears what the page plays."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from playwright.async_api import Page

from voicebot.audio.sound import WIRE_RATE_HZ, Audio

RECORDER = Path(__file__).with_name("recorder.js")

QUIET = 300
"""Samples up to this are no speech: 40 dB below full scale."""


async def record(page: Page) -> None:
    """From now on the bot's voice is recorded. The page must be connected, and really playing."""
    playing = "audio => !audio.paused && !audio.muted && audio.volume === 1 && audio.srcObject.active"
    assert await page.locator("#bot-voice").evaluate(playing)
    await page.evaluate(RECORDER.read_text(encoding="utf-8"))


@dataclass(frozen=True, slots=True)
class Recording:
    """What was heard, and at which samples the talk control began to show which state."""

    sound: Audio
    states: tuple[tuple[str, int], ...]

    def between(self, before: str, after: str = "") -> Audio:
        """What was heard from when the page first showed `before` until it first showed `after`, or to the end."""
        starts = dict(reversed(self.states)) | {"": len(self.sound.samples)}
        return Audio(self.sound.samples[starts[before] : starts[after]], self.sound.rate_hz)


async def recording(page: Page) -> Recording:
    """What was heard since the last call."""
    taken = await page.evaluate("recorder.take()")
    sound = Audio.from_bytes(base64.b64decode(taken["pcm"]), WIRE_RATE_HZ)
    return Recording(sound, tuple((entry["state"], entry["sample"]) for entry in taken["states"]))


async def recorded(page: Page) -> Audio:
    """The sound heard since the last call."""
    return (await recording(page)).sound


async def falls_silent(page: Page, timeout_s: float = 3.0) -> None:
    """Until nothing was heard for 300 ms."""
    async with asyncio.timeout(timeout_s):
        while len(sounding(await recorded(page)).samples):  # noqa: ASYNC110 (the page has no event for silence)
            await asyncio.sleep(0.3)


def sounding(audio: Audio) -> Audio:
    """From the first sound to the last."""
    loud = np.flatnonzero(np.abs(audio.samples.astype(np.int32)) > QUIET)
    return Audio(audio.samples[loud[0] : loud[-1] + 1] if len(loud) else audio.samples[:0], audio.rate_hz)


def clipped_share(audio: Audio) -> float:
    return float(np.mean(np.abs(audio.samples.astype(np.int32)) >= 32_700))
