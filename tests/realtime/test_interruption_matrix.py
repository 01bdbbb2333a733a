"""Dozens of backchannels, noises and interruptions are played to a bot that talks: only interruptions may stop it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from tests.support.live_server import serving
from tests.support.rtc_client import RtcClient
from tests.support.shared import SHARED, recording
from tests.support.sounds import click, cough, noise
from tests.support.speech import spoken
from voicebot.audio.sound import WIRE_RATE_HZ, Audio
from voicebot.bootstrap import engines as build
from voicebot.dialogue.history import History
from voicebot.engines.protocols import Style
from voicebot.settings import config

Json = dict[str, Any]

BACKCHANNELS = (
    ("uh huh", "rms"), ("uh huh", "slt"), ("um hum", "awb"), ("okay", "rms"), ("okay", "slt"), ("yeah", "rms"),
    ("yeah", "slt"), ("right", "rms"), ("right", "awb"), ("i see", "rms"), ("i see", "slt"), ("go on", "rms"),
    ("sure", "slt"), ("really", "rms"), ("got it", "rms"), ("okay okay", "rms"), ("go ahead", "slt"),
)  # fmt: skip
INTERRUPTIONS = (
    ("stop", "rms"), ("stop", "slt"), ("wait", "rms"), ("hold on", "awb"), ("be quiet", "rms"), ("no", "rms"),
    ("what is ten times three", "rms"), ("what is two plus two", "awb"), ("what time is it", "slt"),
    ("tell me a joke", "rms"), ("tell me a joke", "slt"), ("can you repeat that", "rms"), ("what day is it", "rms"),
    ("how old are you", "rms"), ("i have a question", "rms"), ("what about tomorrow", "slt"), ("stop it", "rms"),
    ("who are you", "rms"), ("what can you do", "slt"), ("tell me about paris", "rms"),
)  # fmt: skip
RECORDED = (
    "phrase_student_short_female_G.flac",
    "phrase_first_year_short_male_I.flac",
    "phrase_drive_short_female_H.flac",
    "reply_help_me.flac",
)

VISITORS = 2
"""The number of sessions at the same time, which is small as they share the recogniser."""


@dataclass(frozen=True)
class Case:
    name: str
    sound: Audio
    interrupts: bool


def cases() -> list[Case]:
    found = [Case(f"{text} ({voice})", spoken(text, voice), interrupts=False) for text, voice in BACKCHANNELS]
    found += [Case(f"{text} ({voice})", spoken(text, voice), interrupts=True) for text, voice in INTERRUPTIONS]
    found += [Case(f"cough {seed}", cough(seed), interrupts=False) for seed in (1, 2, 3)]
    found += [Case("noise", noise(1.2, 4), interrupts=False), Case("clicks", click(), interrupts=False)]
    if SHARED.exists():
        found += [Case(file, recording(file), interrupts=True) for file in RECORDED]
        found += [Case("noise2.flac", recording("noise2.flac"), interrupts=False)]
    # The two kinds alternate, so that neither is tried only on a bot that has just begun to talk.
    ignored, obeyed = ([case for case in found if case.interrupts is kind] for kind in (False, True))
    return [case for pair in itertools.zip_longest(ignored, obeyed) for case in pair if case is not None]


class Storyteller:
    """An agent with a reply that is longer than any test."""

    name = "storyteller"
    languages = frozenset({"en"})

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def probe(self, style: Style) -> None: ...

    async def reply(
        self, history: History, wanted: asyncio.Event, deadline: Any = None, **_: Any
    ) -> AsyncGenerator[str]:
        for number in range(40):
            yield f"Then she walked along the long white beach and looked at the ships, {number} in all. "


@pytest.mark.timeout(400)
async def test_interruptions_stop_the_bot_and_backchannels_and_noises_do_not() -> None:
    settings = config.load()
    engines = replace(build.build(settings), agent=Storyteller())
    wrong: list[str] = []
    counts = {True: [0, 0], False: [0, 0]}
    waiting = iter(cases())

    async def visit(url: str) -> None:
        async with RtcClient(url) as client:
            for case in waiting:
                interrupted, verdicts = await try_sound(client, case)
                counts[case.interrupts][interrupted == case.interrupts] += 1
                if interrupted != case.interrupts:
                    wrong.append(f"{case.name}: {'interrupted' if interrupted else 'ignored'}, {verdicts}")

    async with serving(engines, settings) as server, asyncio.TaskGroup() as visitors:
        for _ in range(VISITORS):
            visitors.create_task(visit(server.url))
    (missed, noticed), (cut_off, ignored) = counts[True], counts[False]
    assert noticed + missed + ignored + cut_off >= 40
    summary = f"interrupted by {noticed} of {noticed + missed}, ignored {ignored} of {ignored + cut_off}"
    assert missed <= 0.02 * (noticed + missed), (summary, wrong)
    assert cut_off <= 0.05 * (ignored + cut_off), (summary, wrong)


async def try_sound(client: RtcClient, case: Case) -> tuple[bool, list[Json]]:
    """Plays a sound over a story. Returns whether the story was cut off, and the verdicts on the sound."""
    if latest(client).get("phase") != "speaking":
        client.send({"type": "text", "text": "tell me a story"})
    state = await state_where(client, lambda state: state["phase"] == "speaking" and heard_words(state) >= 3)
    before = max((record["number"] for record in state["verdicts"]), default=0)
    stories = reply_count(state)
    client.microphone.say(case.sound.resampled(WIRE_RATE_HZ))
    client.microphone.say(Audio.silence(0.7, WIRE_RATE_HZ))
    await client.microphone.said()
    await asyncio.sleep(0.3)  # the last frames may still be on their way
    state = await state_where(client, at_rest)
    verdicts = [record for record in state["verdicts"] if record["number"] > before]
    taken_back = any(record["rule"] == "continuation" for record in verdicts)  # the next story stands in its place
    interrupted = reply_count(state) > stories or state["phase"] == "idle" or taken_back
    return interrupted, [{key: record[key] for key in ("rule", "text", "took_ms")} for record in verdicts]


def latest(client: RtcClient) -> Json:
    return next((message for message in reversed(client.messages) if message["type"] == "state"), {})


async def state_where(client: RtcClient, condition: Any, timeout_s: float = 30) -> Json:
    """Returns the newest state, once the condition holds for it."""
    await client.wait_for_message(lambda _: bool(latest(client)) and condition(latest(client)), timeout_s)
    return latest(client)


def at_rest(state: Json) -> bool:
    """Returns whether the user is silent, all words are final, and the bot speaks or is idle."""
    interim = any(message.get("interim") for message in state["chat"])
    return state["phase"] in ("speaking", "idle") and not interim


def reply_count(state: Json) -> int:
    return int(state["older"] + [message["role"] for message in state["chat"]].count("assistant"))


def heard_words(state: Json) -> int:
    last = state["chat"][-1]
    return len(last.get("heard", "").split())
