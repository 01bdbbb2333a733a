"""Measures how a bot reacts when the user speaks over it: whether and how soon it stops, pauses and resumes."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from itertools import pairwise

from tests.benchmarks.answers import ANSWER_S
from tests.benchmarks.bots import Bot, Spoken, User, calling
from tests.benchmarks.figures import Figures
from tests.benchmarks.heard_audio import NOTHING_S, RESOLUTION, Run, Track, runs
from tests.benchmarks.users import Clip

TALKING_S = 1.0
"""The time for which the bot has been talking when the user speaks over it."""

WATCH_S = 1.2
"""The time for which a bot must talk on or again before that counts."""

PATIENCE_S = 3.5
"""The time after the clip in which a bot may still stop. The slowest here take 3 s on a busy machine."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """A clip spoken over the bot, and the stretches of sound heard from its onset until `until_s`."""

    kind: str
    spoken: Spoken
    heard: list[Run]
    until_s: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """The bot's reaction. Times are None for what did not happen."""

    verdict: str
    """`went on`, `new reply` or `dropped`."""
    stopped_s: float | None
    sounded_s: float | None
    pauses: tuple[tuple[Run, Run], ...] = ()
    """The sound before and after each pause after which the reply went on."""


async def measure(bot: Bot, figures: Figures, backchannels: list[Clip], interruptions: list[Clip]) -> None:
    """Measures each backchannel, and then an interruption of the same or the next story, whose answer is the next
    story.

    The sound is evaluated afterwards, since the computing time would disturb the measurement.
    """
    overlaps: list[Overlap] = []
    async with calling(bot) as user:
        question = interruptions[0]
        try:
            for backchannel, interruption in zip(backchannels, interruptions, strict=True):
                overlaps.append(await speak_over(user, question, backchannel, "backchannel"))
                overlaps.append(await speak_over(user, question, interruption, "interruption"))
        finally:
            track = Track(list(user.heard.frames), (await bot.log())["sentences"])
            for overlap in overlaps:
                tell(figures, overlap, judge(overlap, track), track)


async def speak_over(user: User, question: Clip, clip: Clip, kind: str) -> Overlap:
    """Speaks the clip over a story that has run for a while. If the bot is silent, `question` asks for a story.

    Raises TimeoutError if the bot tells none.
    """
    since_s = time.monotonic()
    try:
        await user.heard.wait_for_sound(1.5)
    except TimeoutError:
        since_s = time.monotonic()
        await user.say(question)
        await user.heard.wait_for_sound(ANSWER_S, after_s=since_s)
    talking_s = time.monotonic() - runs(user.heard.frames, since_s)[-1].began_s
    await asyncio.sleep(max(0.0, TALKING_S - talking_s))
    return await watch(user, kind, await user.say(clip))


async def watch(user: User, kind: str, spoken: Spoken) -> Overlap:
    """Listens until the bot's reaction is clear."""
    while True:
        heard, now_s = runs(user.heard.frames, spoken.onset_s), time.monotonic()
        talking = bool(heard) and now_s - heard[-1].ended_s < NOTHING_S
        since_s = max(heard[-1].began_s if talking else spoken.ended_s, spoken.ended_s)
        patience_s = (WATCH_S if len(heard) > 1 else PATIENCE_S) if talking else ANSWER_S / 2
        if now_s - since_s > patience_s:
            return Overlap(kind, spoken, heard, now_s)
        await asyncio.sleep(0.1)


def judge(overlap: Overlap, track: Track) -> Outcome:
    """Judges by the replies to which the stretches of sound belong. Stretches too short to identify are skipped."""
    named = [(run, name) for run in overlap.heard if (name := track.reply_in(run)) is not None]
    if not named:
        return Outcome("dropped", None, None)
    heard = [run for run, _ in named]
    old = named[0][1]
    for (before, _), (after, name) in pairwise(named):
        if name != old:
            return Outcome("new reply", before.ended_s, after.began_s)
    if overlap.until_s - heard[-1].ended_s > NOTHING_S:
        return Outcome("dropped", heard[-1].ended_s, None)
    if len(heard) > 1:
        return Outcome("went on", heard[0].ended_s, heard[-1].began_s, tuple(pairwise(heard)))
    if track.reply_at_end(heard[0]) not in (old, None):
        return Outcome("new reply", None, None)
    return Outcome("went on", None, None)


def tell(figures: Figures, overlap: Overlap, outcome: Outcome, track: Track) -> None:
    """Counts the outcome, and adds times in ms as `stop`, `pause`, `resume` and `answer`, and the samples lost in
    pauses."""
    kind, spoken = overlap.kind, overlap.spoken
    for verdict in ("went on", "new reply", "dropped"):
        figures.count(f"{kind if spoken.clip.words else 'noise'}: {verdict}", outcome.verdict == verdict)
    went_on = outcome.verdict == "went on"
    if outcome.stopped_s is not None:
        figures.add(f"{kind} {'pause' if went_on else 'stop'}", (outcome.stopped_s - spoken.onset_s) * 1000)
    if outcome.sounded_s is not None:
        figures.add(f"{kind} {'resume' if went_on else 'answer'}", (outcome.sounded_s - spoken.ended_s) * 1000)
    for before, after in outcome.pauses:
        resumption = track.resumption(before, after)
        if resumption is None:
            figures.note("a pause could not be followed in the voice")
        else:
            lost = resumption.lost if abs(resumption.lost) > RESOLUTION else 0.0
            figures.add("lost", max(0.0, lost))
            figures.add("repeated", max(0.0, -lost))
            figures.add("lost, unrounded", resumption.lost)
