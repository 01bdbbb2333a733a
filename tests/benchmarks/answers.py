"""Measures the response gap on the wire, and the steps of which it consists."""

from __future__ import annotations

import time
from typing import Any

from tests.benchmarks.bots import Bot, Spoken, User, calling
from tests.benchmarks.figures import Figures
from tests.benchmarks.heard_audio import hush
from tests.benchmarks.users import Clip

ANSWER_S = 12.0
"""The time after which an answer counts as missing."""

QUIET_S = 0.5
"""The silence that ends an answer."""

RATHER_EARLY_S = 0.15
"""Audio that arrives sooner than this after the end of speech was sent before it, so the turn was cut off."""


async def measure(bot: Bot, figures: Figures, clips: list[Clip]) -> None:
    """Measures the `gap` in ms for each question after silence, and for our bot its steps as `part: …`."""
    async with calling(bot) as user:
        for each in clips:
            begun = len((await bot.log())["replies"])
            gap_ms = await ask(user, each, figures)
            figures.count("discarded", len((await bot.log())["replies"]) > begun + 1)
            if gap_ms is None:
                continue
            figures.count("cut off", gap_ms < RATHER_EARLY_S * 1000)
            if gap_ms >= RATHER_EARLY_S * 1000:
                figures.add("gap", gap_ms)
                parts(user, figures, gap_ms)


async def ask(user: User, clip: Clip, figures: Figures) -> float | None:
    """Returns the ms from the last sample of the question to the first sound of the answer, and listens to its end."""
    started_s = time.monotonic()
    spoken = await user.say(clip, "short")
    try:
        sounded_s = await user.heard.wait_for_sound(ANSWER_S, after_s=started_s)
        await hush(user.heard, QUIET_S, ANSWER_S)
    except TimeoutError:
        figures.note(f"no answer to “{clip.name}”")
        return None
    return (sounded_s - spoken.ended_s) * 1000


def parts(user: User, figures: Figures, gap_ms: float) -> None:
    """Adds the steps of our bot's last turn, in ms since its own detector found the user silent."""
    turns = [message["turn"] for message in user.client.messages if message.get("type") == "state"]
    if not turns or not turns[-1]:
        return
    steps: list[dict[str, Any]] = turns[-1]
    for step in steps:
        figures.add(f"part: {step['name']}", step["to_ms"] - step["from_ms"])
    ends = {step["name"]: step["to_ms"] for step in steps}
    begun_ms = next((step["from_ms"] for step in steps if step["name"] == "first token"), 0)
    figures.add("part: reply begun", begun_ms)
    if "end of turn" in ends:
        figures.add("until begun", max(0, begun_ms - ends["end of turn"]))
        figures.add("own share", max(ends.values()) - ends["end of turn"])
        figures.add("own share and wire", gap_ms - ends["end of turn"])


async def cut_offs(bot: Bot, figures: Figures, kind: str, clips: list[Clip]) -> None:
    """Counts how often `kind` is cut off (answered or replied to before the user ends), and the gaps of the others.

    A user who was cut off still waits for the answer to the whole clip: otherwise it would come over the next clip, and
    this would count as cut off, too.
    """
    async with calling(bot) as user:
        for each in clips:
            started_s = time.monotonic()
            spoken = await user.say(each, "okay")
            try:
                sounded_s = await user.heard.wait_for_sound(ANSWER_S, after_s=started_s)
                await user.heard.wait_for_sound(ANSWER_S, after_s=spoken.ended_s)
                await hush(user.heard, QUIET_S, ANSWER_S)
            except TimeoutError:
                figures.note(f"no answer to “{each.name}”")
                continue
            gap_s = sounded_s - spoken.ended_s
            figures.count(f"{kind}: answered too soon", gap_s < RATHER_EARLY_S)
            figures.count(f"{kind}: thought too soon", await _thought_early(bot, spoken))
            if gap_s >= RATHER_EARLY_S:
                figures.add(f"{kind}: gap", gap_s * 1000)


async def _thought_early(bot: Bot, spoken: Spoken) -> bool:
    """Returns True if a reply began while the user spoke, including a preemptive reply that was thrown away."""
    replies = (await bot.log())["replies"]
    return any(spoken.onset_s < reply["began_s"] < spoken.ended_s for reply in replies)
