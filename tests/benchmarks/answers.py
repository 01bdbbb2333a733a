"""How soon a bot answers: the gap on the wire, and where the time goes."""

from __future__ import annotations

import time
from typing import Any

from tests.benchmarks.bots import Bot, Spoken, User, calling
from tests.benchmarks.figures import Figures
from tests.benchmarks.hearing import hush
from tests.benchmarks.users import Clip

ANSWER_S = 12.0
"""Who has not answered by then is taken to be silent."""

QUIET_S = 0.5
"""An answer is over after this silence."""

RATHER_EARLY_S = 0.15
"""Sound that comes this soon after the end of speech was on its way before: the turn was cut off."""


async def measure(bot: Bot, figures: Figures, clips: list[Clip]) -> None:
    """`gap` in ms, and for our bot its parts as `part: …`, for each question asked out of silence."""
    async with calling(bot) as user:
        for each in clips:
            gap_ms = await ask(user, each, figures)
            if gap_ms is None:
                continue
            figures.count("cut off", gap_ms < RATHER_EARLY_S * 1000)
            if gap_ms >= RATHER_EARLY_S * 1000:
                figures.add("gap", gap_ms)
                parts(user, figures, gap_ms)


async def ask(user: User, clip: Clip, figures: Figures) -> float | None:
    """From the last sample of the question to the first sound of the answer, in ms; then listens to its end."""
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
    """Our bot tells the steps of its last turn, in ms since the user fell silent by its own detector."""
    turns = [message["turn"] for message in user.client.messages if message.get("type") == "state"]
    if not turns or not turns[-1]:
        return
    steps: list[dict[str, Any]] = turns[-1]
    for step in steps:
        figures.add(f"part: {step['name']}", step["to_ms"] - step["from_ms"])
    ends = {step["name"]: step["to_ms"] for step in steps}
    begun_ms = next((step["from_ms"] for step in steps if step["name"] == "first token"), 0)
    if "end of turn" in ends:
        figures.add("until begun", max(0, begun_ms - ends["end of turn"]))
        figures.add("own share", max(ends.values()) - ends["end of turn"])
        figures.add("own share and wire", gap_ms - ends["end of turn"])


async def cut_offs(bot: Bot, figures: Figures, kind: str, clips: list[Clip]) -> None:
    """Counts of `kind` cut off (answered, or thought about, before the user had ended), and the gaps of the others."""
    async with calling(bot) as user:
        for each in clips:
            started_s = time.monotonic()
            spoken = await user.say(each, "okay")
            try:
                sounded_s = await user.heard.wait_for_sound(ANSWER_S, after_s=started_s)
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
    """Was a reply begun while the user was speaking? A preemptive one that is thrown away counts, too."""
    replies = (await bot.log())["replies"]
    return any(spoken.onset_s < reply["began_s"] < spoken.ended_s for reply in replies)
