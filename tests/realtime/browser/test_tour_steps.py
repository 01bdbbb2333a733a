"""The guided tour's steps, as the pure function that they are: given what is seen, what comes next."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page

from tests.realtime.browser.conftest import Chromium
from voicebot.web.ui.page import ASSETS

PAUSE_MS = 10_000
"""Longer than anybody waits without a hint."""

HUMMED = {"number": 1, "decision": "resume", "reason": "“uh-huh” only says so", "text": "uh-huh"}
MISHEARD = {"number": 1, "decision": "regenerate", "reason": "“the head” is meant for the bot", "text": "the head"}
ASKED = {"number": 2, "decision": "regenerate", "reason": "“what is” is meant for the bot", "text": "what is"}
COUGHED = {"number": 2, "decision": "resume", "reason": "nothing was said", "text": ""}

STORY = {"do": "say", "text": "Tell me a long story."}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def module(chrome: Chromium) -> AsyncIterator[Page]:
    """An empty page that knows the tour's modules, as the page's script has them."""
    browser = await chrome.browser(microphone=False)
    async with await browser.new_page() as page:
        sources = [(ASSETS / f"{name}.js").read_text("utf-8") for name in ("tour_steps", "tour_words")]
        await page.evaluate(
            """async (source) => {
                const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
                Object.assign(window, await import(address));
            }""",
            "\n".join(sources),
        )
        yield page


@dataclass
class Tourist:
    """Takes the tour with a scripted session."""

    page: Page
    seen: dict[str, Any] = field(
        default_factory=lambda: {
            "on": False,
            "talking": False,
            "muted": False,
            "phase": "idle",
            "older": 0,
            "chat": [],
            "rulings": [],
        }
    )
    tour: dict[str, Any] = field(default_factory=dict)
    now_ms: float = 0.0

    async def takes(self, what: str, **changes: Any) -> list[dict[str, Any]]:
        """Presses something, or sees (`seen`) the session as it is after the `changes`; gives the commands."""
        self.seen |= changes
        script = "([tour, input, seen, now]) => advance(tour.step ? tour : OFF, input, seen, now)"
        self.tour, commands = await self.page.evaluate(script, [self.tour, what, self.seen, self.now_ms])
        return list(commands)

    async def waits(self) -> None:
        self.now_ms += PAUSE_MS
        assert await self.takes("seen") == []

    async def hears(self, words: int, **changes: Any) -> list[dict[str, Any]]:
        """So many words of the story, the last thing that was said."""
        story = {"role": "assistant", "heard": "word " * words, "unheard": "more", "interrupted": False, "live": True}
        asked = {"role": "user", "text": "Tell me a long story."}
        return await self.takes("seen", chat=[asked, story | changes], phase="speaking")

    async def reads(self) -> dict[str, Any]:
        return dict(await self.page.evaluate("([tour, seen]) => tourWords(tour, seen)", [self.tour, self.seen]))

    async def choices(self) -> list[str]:
        return [choice for choice, _ in (await self.reads())["choices"]]


@pytest.fixture
def tourist(module: Page) -> Tourist:
    return Tourist(module)


@pytest_asyncio.fixture(loop_scope="session")
async def listener(tourist: Tourist) -> Tourist:
    """One with a microphone, who hears the story."""
    assert await tourist.takes("start", on=True, talking=True) == [STORY]
    assert await tourist.hears(4) == []
    assert tourist.tour["step"] == "story"
    assert await tourist.hears(5) == []
    assert tourist.tour["step"] == "hum"
    return tourist


async def test_a_hum_and_then_a_question_complete_the_tour(listener: Tourist) -> None:
    assert await listener.takes("seen", verdicts=[HUMMED]) == []
    assert listener.tour["step"] == "ask"
    told = await listener.reads()
    assert HUMMED["reason"] in told["text"]
    assert told["points"] == "verdict"
    assert await listener.takes("seen", verdicts=[ASKED, HUMMED]) == [{"do": "remember"}]
    assert listener.tour["step"] == "done"
    told = await listener.reads()
    assert ASKED["reason"] in told["text"]
    assert await listener.choices() == ["leave", "again"]


async def test_verdicts_and_answers_from_before_the_tour_do_not_count(tourist: Tourist) -> None:
    old = {"role": "assistant", "heard": "a b c d e f", "unheard": "", "interrupted": True, "live": False}
    assert await tourist.takes("start", on=True, talking=True, older=3, chat=[old], verdicts=[ASKED, HUMMED]) == [STORY]
    assert tourist.tour["asked"] == 4
    await tourist.takes("seen")
    assert tourist.tour["step"] == "story"


async def test_the_tour_asks_for_the_microphone_first_and_goes_on_when_the_microphone_is_on(tourist: Tourist) -> None:
    assert await tourist.takes("start") == []
    assert tourist.tour["step"] == "voice"
    assert await tourist.takes("talk") == [{"do": "talk"}]
    assert await tourist.takes("seen") == []
    assert await tourist.takes("seen", on=True, talking=True) == [STORY]


async def test_a_visitor_who_types_reads_what_a_hum_would_do_and_interrupts_by_button(tourist: Tourist) -> None:
    await tourist.takes("start")
    assert await tourist.takes("type") == [STORY]
    await tourist.takes("seen", on=True)
    await tourist.hears(6)
    assert (await tourist.reads())["title"] == "What “uh-huh” would do"
    assert await tourist.choices() == ["next", "talk"]
    await tourist.takes("next")
    assert await tourist.choices() == ["ask", "stop"]
    assert await tourist.takes("ask") == [{"do": "say", "text": "What is two plus two?"}]
    assert await tourist.takes("stop") == [{"do": "interrupt"}]
    assert await tourist.hears(9, interrupted=True, live=False) == [{"do": "remember"}]
    assert (await tourist.reads())["text"].startswith("It stopped at once.")


async def test_a_hum_that_was_taken_for_a_question_is_explained_and_can_be_tried_again(listener: Tourist) -> None:
    await listener.hears(9, interrupted=True, live=False)
    await listener.takes("seen", verdicts=[MISHEARD])
    assert listener.tour["step"] == "hum"
    told = await listener.reads()
    assert MISHEARD["reason"] in told["text"]
    assert await listener.choices() == ["again", "next"]
    assert await listener.takes("again") == [STORY]
    await listener.takes("seen", verdicts=[MISHEARD])
    assert listener.tour["step"] == "story"


async def test_a_cough_instead_of_a_question_is_explained_and_does_not_complete_the_step(listener: Tourist) -> None:
    await listener.takes("seen", verdicts=[HUMMED])
    assert await listener.takes("seen", verdicts=[COUGHED, HUMMED]) == []
    assert listener.tour["step"] == "ask"
    assert COUGHED["reason"] in (await listener.reads())["text"]
    assert await listener.takes("seen", verdicts=[ASKED | {"number": 3}, COUGHED]) == [{"do": "remember"}]


async def test_an_interruption_counts_even_when_the_reply_is_not_in_the_history(listener: Tourist) -> None:
    """With INTERRUPTED_HISTORY=merge the story is gone from the chat."""
    await listener.takes("seen", verdicts=[HUMMED])
    assert await listener.takes("seen", verdicts=[ASKED], chat=[]) == [{"do": "remember"}]


@pytest.mark.parametrize("step", ["story", "hum", "ask"])
async def test_a_story_that_ends_too_early_can_be_told_again_for_the_same_step(tourist: Tourist, step: str) -> None:
    await tourist.takes("start", on=True, talking=True)
    await tourist.hears(3 if step == "story" else 6)
    if step == "ask":
        await tourist.takes("seen", verdicts=[HUMMED])
    assert await tourist.hears(6, live=False, unheard="") == []
    assert tourist.tour["step"] == step
    assert "again" in await tourist.choices()
    assert await tourist.takes("again", chat=[]) == [STORY]
    await tourist.hears(6)
    assert tourist.tour["step"] == {"story": "hum"}.get(step, step)
    assert "again" not in await tourist.choices()


async def test_the_story_does_not_count_as_over_while_the_bot_is_still_thinking(tourist: Tourist) -> None:
    await tourist.takes("start", on=True, talking=True)
    await tourist.takes("seen", phase="thinking")
    assert tourist.tour["over"] is False


async def test_a_visitor_who_hangs_up_is_asked_for_the_microphone_again(listener: Tourist) -> None:
    await listener.takes("seen", on=False, talking=False)
    assert await listener.choices() == ["next", "talk"]
    await listener.takes("next")
    assert await listener.choices() == ["again"]
    assert await listener.takes("again") == []
    assert listener.tour["step"] == "voice"


@pytest.mark.parametrize("muted", [False, True])
async def test_a_visitor_who_does_nothing_for_long_gets_a_hint(listener: Tourist, muted: bool) -> None:
    assert (await listener.reads())["hint"] == ""
    await listener.takes("seen", muted=muted)
    await listener.waits()
    assert ("muted" in (await listener.reads())["hint"]) is muted
    assert (await listener.reads())["hint"]
    await listener.takes("seen", muted=False, verdicts=[HUMMED])
    assert (await listener.reads())["hint"] == ""
    assert await listener.choices() == []
    await listener.waits()
    assert await listener.choices() == ["ask", "stop"]


async def test_the_tour_says_when_the_bot_has_paused(listener: Tourist) -> None:
    await listener.takes("seen", phase="paused")
    assert "It has paused" in (await listener.reads())["text"]


@pytest.mark.parametrize("answered", [False, True])
async def test_the_tour_can_be_left_at_any_time(listener: Tourist, answered: bool) -> None:
    if answered:
        await listener.takes("seen", verdicts=[HUMMED])
    assert await listener.takes("leave") == []
    assert listener.tour["step"] == "off"
    assert await listener.takes("seen", verdicts=[ASKED]) == []
    assert await listener.takes("ask") == []
    assert listener.tour["step"] == "off"
