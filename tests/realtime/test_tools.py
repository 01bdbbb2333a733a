"""Tools of each kind in spoken conversations: real speech over WebRTC, the real graph, and a simulated model.

A test holds up the tools of `tests.support.kitchen` for as long as it needs, instead of waiting for a time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from tests.simulators.brain import Call
from tests.simulators.tool_brain import LISTENING, reports
from tests.support import kitchen as bakery
from tests.support.kitchen import Kitchen
from tests.support.room import Room
from tests.support.rtc_talk import Talk, answers
from tests.support.shop import Shop, open_shop
from tests.support.waiting import until
from voicebot.agent.tools import fillers
from voicebot.engines.llm.messages import REPORT_CALLS, STILL_RUNNING
from voicebot.languages.loader import language_of
from voicebot.session.session import Session

Json = dict[str, Any]

BAKE = {"cake": [Call("bake", {"topping": "cheese"})]}
ORDER = {"flour": [Call("order", {"count": 3, "thing": "bags of flour"})]}
QUESTION = "Shall I order 3 bags of flour?"
SEND = {"send": [Call("send")]}
TELLING_QUESTION = "All the cakes of today and of tomorrow will leave the house. Shall I send them? Please say yes."
BOUGHT = "The wholesaler brings 3 bags of flour."
FILLERS = language_of("en").fillers

STORY = (
    "Once upon a time there was a young captain who lived in a small white house above the harbour. "
    "Every morning she looked at the ships and wondered where they had come from."
)


@pytest.fixture
def kitchen() -> Kitchen:
    return bakery.opened()


@asynccontextmanager
async def talking(
    calls: Mapping[str, Sequence[Call]],
    answers: Mapping[str, str] | None = None,
    *,
    room: Room | None = None,
    **settings: Any,
) -> AsyncIterator[tuple[Talk, Shop]]:
    async with open_shop(calls, answers, **settings) as shop, shop.talking(room=room) as talk:
        yield talk, shop


def made(state: Json) -> list[Json]:
    """Returns the calls of tools that the page shows."""
    return [each for each in state["chat"] if each["role"] == "tool"]


def statuses(state: Json) -> list[str]:
    return [call["status"] for call in made(state)]


def heard(state: Json) -> list[str]:
    """Returns what was heard of each answer."""
    return [answer["heard"] for answer in answers(state)]


def results(body: Json) -> list[str]:
    """Returns the results of tools in a request."""
    return [message["content"] for message in body["messages"] if message["role"] == "tool"]


def prompt(body: Json) -> str:
    return str(body["messages"][0]["content"])


def conversation_of(talk: Talk) -> str:
    return next(str(each["conversation"]) for each in talk.client.messages if each["type"] == "connected")


def is_preemptive(shop: Shop) -> bool:
    """Returns True while the bot makes a reply although the user's turn is not over."""
    (session,) = shop.server.sessions("webrtc")
    assert isinstance(session, Session)
    return session.state.reply is not None and session.state.reply.preemptive


async def heard_again(talk: Talk, text: str, count: int) -> Json:
    """Returns the state once the bot is at rest and its last answer, of `count`, holds the text."""
    return await talk.until(
        lambda state: state["phase"] == "idle" and len(answers(state)) == count and text in heard(state)[-1]
    )


# Tools with effects -----------------------------------------------------------------------------------------------


async def test_a_call_that_is_interrupted_happens_once_and_the_next_reply_reports_it(kitchen: Kitchen) -> None:
    async with talking(BAKE, {"three": "Thirty."}) as (talk, shop):
        await talk.says("make me a cake please")
        await kitchen.has_begun()
        await talk.until(lambda state: statuses(state) == ["running"])
        await talk.until(lambda state: state["phase"] == "speaking")
        await talk.says("what is ten times three")
        state = await heard_again(talk, "Thirty.", 2)
        assert statuses(state) == ["running"]
        assert results(shop.bodies[-1]) == [STILL_RUNNING]
        assert kitchen.baked == []

        kitchen.may_end.set()
        await talk.until(lambda state: statuses(state) == ["done"])
        assert reports(prompt(shop.bodies[-1])) == []
        await talk.says("thank you very much")
        state = await heard_again(talk, LISTENING, 3)
        assert kitchen.baked == ["cheese"]
        assert heard(state)[-1].startswith("The call of bake is done: Cake number 1 is in the box.")
        assert results(shop.bodies[-1]) == ["Cake number 1 is in the box."]

        talk.types("hello")
        state = await talk.answered(4)
        assert heard(state)[-1] == LISTENING, "the call was reported once"
        assert REPORT_CALLS not in prompt(shop.bodies[-1])
        assert results(shop.bodies[-1]) == ["Cake number 1 is in the box."]
        assert [each["role"] for each in state["chat"]][:4] == ["user", "tool", "assistant", "user"]


async def test_a_call_that_ends_while_the_user_interrupts_is_reported_in_the_answer_to_the_interruption(
    kitchen: Kitchen,
) -> None:
    async with talking(BAKE, {"three": "Thirty."}) as (talk, shop):
        await talk.says("make me a cake please")
        await kitchen.has_begun()
        await talk.until(lambda state: state["phase"] == "speaking")
        saying = asyncio.create_task(talk.says("what is ten times three"))
        await talk.until(lambda state: state["phase"] == "paused")
        kitchen.may_end.set()
        await saying
        state = await heard_again(talk, "Thirty.", 2)
        assert heard(state)[-1] == "The call of bake is done: Cake number 1 is in the box. Thirty."
        assert kitchen.baked == ["cheese"]
        assert len([body for body in shop.bodies if REPORT_CALLS in prompt(body)]) >= 1


async def test_a_filler_covers_a_tool_that_works_longer_than_700_ms(kitchen: Kitchen) -> None:
    async with talking(BAKE) as (talk, _):
        talk.types("make me a cake please")
        await kitchen.has_begun()
        begun_s = time.monotonic()
        await talk.client.heard.wait_for_sound()
        silent_s = time.monotonic() - begun_s
        assert 0.6 < silent_s < 2.0
        await talk.until(lambda state: heard(state) and heard(state)[0] in FILLERS)
        kitchen.may_end.set()
        state = await talk.answered(1)
        filler = next(filler for filler in FILLERS if heard(state)[0].startswith(filler))
        assert heard(state) == [f"{filler} Cake number 1 is in the box."]


async def test_a_call_of_a_reply_that_was_begun_too_early_never_starts(kitchen: Kitchen) -> None:
    async with talking(BAKE, endpointing="patient") as (talk, shop):
        await talk.says("make me a cake and", "slt")  # unfinished words: the turn stays open for 3 s
        await until(lambda: shop.bodies)
        assert is_preemptive(shop)
        await talk.says("with a lot of cheese please")
        await kitchen.has_begun()
        kitchen.may_end.set()
        state = await heard_again(talk, "Cake number 1 is in the box.", 1)
        assert kitchen.baked == ["cheese"]
        assert statuses(state) == ["done"]
        assert len(shop.bodies) >= 3, "the first request was for a reply that was discarded"


# A tool without effects -------------------------------------------------------------------------------------------


async def test_a_pure_tool_runs_while_the_user_may_still_go_on(kitchen: Kitchen) -> None:
    async with talking({"menu": [Call("menu")]}, endpointing="patient") as (talk, shop):
        await talk.says("tell me what is on the menu but")  # unfinished words: the turn stays open for 3 s
        await kitchen.has_begun()
        assert is_preemptive(shop)
        state = await talk.answered(1)
        assert heard(state) == ["We have three cakes today."]
        assert made(state) == [], "a call without effects is not kept"


# A tool that asks first -------------------------------------------------------------------------------------------


async def ask(talk: Talk, count: int) -> None:
    """Asks for flour, and waits until the bot's question, its answer number `count`, was heard to its end."""
    talk.types("order some flour")
    await heard_again(talk, QUESTION, count)


async def test_only_a_clear_yes_after_the_question_runs_a_tool_that_asks_first(kitchen: Kitchen) -> None:
    async with talking(ORDER) as (talk, shop):
        await ask(talk, 1)
        assert statuses(talk.state) == []
        await talk.says("uh huh", "slt")
        state = await heard_again(talk, LISTENING, 2)
        assert statuses(state) == ["not confirmed"]
        assert results(shop.bodies[-1]) == [
            "The tool did not run: the user was asked and answered “Uh-huh.”, which is no clear yes."
        ]

        await ask(talk, 3)
        await talk.says("no")
        state = await heard_again(talk, LISTENING, 4)
        assert statuses(state) == ["not confirmed"] * 2
        assert kitchen.ordered == []

        await ask(talk, 5)
        await talk.says("yes please")
        state = await heard_again(talk, BOUGHT, 6)
        assert kitchen.ordered == ["3 bags of flour"]
        assert statuses(state) == ["not confirmed"] * 2 + ["done"]
        assert heard(state)[-1] == BOUGHT, "what was told already is not told again"


# What is said while a tool works ----------------------------------------------------------------------------------


async def test_a_backchannel_over_a_filler_leaves_the_call_and_its_reply_alone(
    kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = replace(language_of("en"), fillers=("One moment, please, I am looking that up in the book of the kitchen.",))
    monkeypatch.setattr(fillers, "language_of", lambda _: long)  # so that it still speaks when the hum comes
    async with talking(BAKE) as (talk, shop):
        talk.types("make me a cake")
        # In the bot's first second it does not know yet how its own voice comes back, and may not notice a hum.
        await talk.until(lambda state: len(" ".join(heard(state)).split()) >= 6)
        await talk.says("uh huh", "slt")
        state = await talk.until(lambda state: state["verdicts"])
        assert [record["decision"] for record in state["verdicts"]] == ["resume"]
        kitchen.may_end.set()
        state = await talk.answered(1)
        assert heard(state)[0].endswith("Cake number 1 is in the box.")
        assert kitchen.baked == ["cheese"]
        assert len(shop.bodies) == 2


async def test_words_before_the_first_sound_of_the_reply_do_not_make_its_call_again(kitchen: Kitchen) -> None:
    async with talking(BAKE, tool_filler_s=60) as (talk, shop):
        await talk.says("make me a cake please")
        await kitchen.has_begun()
        await talk.says("with a lot of cheese please")
        state = await heard_again(talk, LISTENING, 1)
        assert results(shop.bodies[-1]) == [STILL_RUNNING]
        kitchen.may_end.set()
        await talk.until(lambda state: statuses(state) == ["done"])
        assert kitchen.baked == ["cheese"]
        assert [each["role"] for each in state["chat"]] == ["user", "tool", "user", "assistant"]
