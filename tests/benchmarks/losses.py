"""Measures how a bot answers and stops while packets of the user's voice are lost, and afterwards."""

from __future__ import annotations

import asyncio

from tests.benchmarks import answers, overlaps
from tests.benchmarks.bots import Bot, User, calling
from tests.benchmarks.figures import Figures
from tests.benchmarks.heard_audio import Track
from tests.benchmarks.overlaps import Overlap
from tests.benchmarks.users import Clip
from tests.support.rtc_link import Link

LOSSES = (0.01, 0.05)

RECOVERY_S = 1.0
"""The time after which the delay must be back at its value before the loss."""


async def measure(bot: Bot, figures: Figures, questions: list[Clip], interruptions: list[Clip]) -> None:
    """Measures stops without loss; then, for each share of loss, answers and stops during it, and stops after it.

    The time to stop includes the path of the user's voice into the bot. So the times before and after show whether the
    bot keeps the extra delay that the loss caused.
    """
    async with calling(bot) as user:
        _tell(figures, [("no loss: stop", await _stops(user, interruptions))], await _track(user))
    for number, share in enumerate(LOSSES):
        link = Link(loss=share, seed=number)
        name = f"{share:.0%} loss"
        async with calling(bot, link) as user:
            for question in questions:
                gap_ms = await answers.ask(user, question, figures)
                if gap_ms is not None:
                    figures.add(f"{name}: gap", gap_ms)
            during = await _stops(user, interruptions)
            link.loss = 0.0
            await asyncio.sleep(RECOVERY_S)
            after = await _stops(user, interruptions)
            _tell(figures, [(f"{name}: stop during", during), (f"{name}: stop after", after)], await _track(user))


async def _stops(user: User, interruptions: list[Clip]) -> list[Overlap]:
    return [await overlaps.speak_over(user, interruptions[0], each, "interruption") for each in interruptions]


async def _track(user: User) -> Track:
    return Track(list(user.heard.frames), (await user.bot.log())["sentences"])


def _tell(figures: Figures, measured: list[tuple[str, list[Overlap]]], track: Track) -> None:
    """Evaluates the received sound. It comes last on a connection, since its computing time would disturb the
    measurement."""
    for measure, heard in measured:
        for overlap in heard:
            outcome = overlaps.judge(overlap, track)
            if outcome.verdict != "went on" and outcome.stopped_s is not None:
                figures.add(measure, (outcome.stopped_s - overlap.spoken.onset_s) * 1000)
