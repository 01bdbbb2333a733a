"""Measures what a bot does when it answers a sentence with which the user then goes on."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from tests.benchmarks.answers import ANSWER_S, QUIET_S
from tests.benchmarks.bots import LEAD_S, Bot, User, calling
from tests.benchmarks.figures import Figures
from tests.benchmarks.heard_audio import Track, hush
from tests.benchmarks.overlaps import Overlap, watch
from tests.benchmarks.users import Clip

AFTER_S = (0.3, 0.6, 0.9, 0.45, 0.75)
"""The times from the bot's first sound to the onset of the user's next words, in turn."""


@dataclass(frozen=True, slots=True)
class WrongStart:
    """What was said over a reply that had just begun, and the user's messages that the bot shows at the end."""

    kind: str
    first: Clip
    overlap: Overlap
    chat: list[str]
    """The last messages, each with the role before it."""


async def measure(bot: Bot, figures: Figures, pairs: list[tuple[Clip, Clip]]) -> None:
    """Measures two wrong starts on each connection: the first reply of the session, and a later one.

    `stop` is the time in ms from the onset of the words that go on to the bot's silence, and `answer` that from their
    end to the new reply. A wrong start counts as `repaired` if one message holds all words, and nothing that was heard
    of the first reply is left.
    """
    for number, pair in enumerate(pairs):
        async with calling(bot) as user:
            heard: list[WrongStart] = []
            for kind, (first, rest) in zip(("first", "later"), (pair, pairs[number - 1]), strict=True):
                heard.append(await _go_on(user, kind, first, rest, AFTER_S[number % len(AFTER_S)]))
                await hush(user.heard, QUIET_S, ANSWER_S)
            track = Track(list(user.heard.frames), (await bot.log())["sentences"])
            for each in heard:
                _tell(figures, each, track)


async def _go_on(user: User, kind: str, first: Clip, rest: Clip, after_s: float) -> WrongStart:
    """Says `first`, and `rest` so that its speech begins `after_s` after the first sound of the answer."""
    since_s = time.monotonic()
    await user.say(first, "talk")
    sounded_s = await user.heard.wait_for_sound(ANSWER_S, after_s=since_s)
    await asyncio.sleep(max(0.0, sounded_s + after_s - LEAD_S - rest.onset_s - time.monotonic()))
    overlap = await watch(user, kind, await user.say(rest, "short"))
    states = [message for message in user.client.messages if message.get("type") == "state"]
    chat = [f"{each['role']}: {each.get('text', each.get('heard'))}" for each in states[-1]["chat"]] if states else []
    return WrongStart(kind, first, overlap, chat)


def _tell(figures: Figures, start: WrongStart, track: Track) -> None:
    """Counts the outcome. Sound whose reply is not known, because it is too short, counts as another reply's."""
    spoken, heard = start.overlap.spoken, start.overlap.heard
    if not heard:
        figures.note(f"“{spoken.clip.name}” was said after the end of the reply")
        return
    figures.add(f"{start.kind} start: stop", (heard[0].ended_s - spoken.onset_s) * 1000)
    old, *names = [track.reply_in(run) for run in heard]
    others = [run for run, name in zip(heard[1:], names, strict=True) if name is None or name != old]
    figures.count(f"{start.kind} start: answered", bool(others))
    if others:
        figures.add(f"{start.kind} start: answer", (others[0].began_s - spoken.ended_s) * 1000)
    if start.chat:
        message = f"user: {start.first.name} {spoken.clip.name}"
        figures.count(f"{start.kind} start: repaired", message in start.chat[-2:])
