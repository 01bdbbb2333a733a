"""The main conversation in Firefox, heard from a sound card, and a question spoken into that sound card.

What must be understood to the word is said into `given_a_voice`: on a busy machine the sound card loses words, and the
echo canceller, which Firefox shares with Chromium, removes some until it has learnt that no loudspeaker is heard.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright, expect

from tests.realtime.browser.look import LOOK
from tests.realtime.browser.visitor import ANSWER_S, Visitor, given_a_voice
from tests.support.paths import PROJECT
from tests.support.sound_card import SoundCard, running_sound_card
from tests.support.speech import spoken
from tests.support.understanding import understood, words

pytestmark = pytest.mark.alone  # a gap in the sound is a word misheard

HUMMING_VOICE = "slt"
"""A voice of flite whose "uh-huh" the recogniser knows; it takes that of some other voices for words."""

PREFERENCES: dict[str, str | float | bool] = {"media.navigator.permission.disabled": True}
"""Pages get the microphone without a question to the user."""

NOWHERE = "socks5://127.0.0.1:9"
"""A proxy that does not exist, so that nothing leaves this machine."""

QUESTION = "what time is it in london"


@pytest.fixture(scope="module")
def sound_card() -> Iterator[SoundCard]:
    with running_sound_card() as card:
        yield card


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def firefox(sound_card: SoundCard, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    """Debian's browser. Skips where it is absent, unless the suite must be whole."""
    path = shutil.which("firefox-esr")
    if path is None:
        if os.environ.get("REQUIRE_BROWSER") == "1":
            pytest.fail("Firefox is missing: apt-get install firefox-esr")
        pytest.skip("Firefox is not installed (apt-get install firefox-esr)")
    program = tmp_path_factory.mktemp("firefox") / "firefox"
    program.write_text(
        f'#!/bin/sh\ncd "{PROJECT}" && exec "{sys.executable}" -m tests.support.bidi_bridge {path} "$@"\n'
    )
    program.chmod(0o755)
    async with async_playwright() as playwright:
        browser = await playwright.firefox.launch(
            channel="moz-firefox",
            executable_path=program,
            firefox_user_prefs=PREFERENCES,
            proxy={"server": NOWHERE, "bypass": "127.0.0.1"},
            env={**os.environ, **sound_card.environment},
        )
        yield browser
        await browser.close()


async def test_firefox_answers_rides_out_a_backchannel_and_gives_way_to_a_question(
    firefox: Browser, sound_card: SoundCard, url: str
) -> None:
    async with Visitor(await given_a_voice(await firefox.new_context()), url) as visitor:
        await visitor.talk_button.click()
        await visitor.sees("listening", timeout_s=10)
        with sound_card.recorded() as heard:
            await visitor.says(QUESTION)
            answer = await visitor.hears_answer(1)
        assert words(await visitor.questions.last.inner_text()) == words(QUESTION)
        assert "London" in answer
        assert -45 < heard[0].level_dbfs < -6
        assert "london" in words(understood(heard[0]))

        await visitor.says("tell me a long story")
        await visitor.sees("speaking")
        await visitor.hears_words(4)
        await visitor.says("uh-huh", HUMMING_VOICE)
        await shows_verdict(visitor, 1, "resume")
        before = await visitor.words("heard")
        await visitor.hears_words(len(before) + 4)
        await expect(visitor.answers).to_have_count(2)

        await visitor.says("what time is it in paris")
        await shows_verdict(visitor, 2, "regenerate")
        assert "Paris" in await visitor.hears_answer(3)
        await expect(visitor.answers.nth(1).locator(".vb-cut")).to_have_text("interrupted")

        await visitor.types("And what time is it in Tokyo?")
        assert "Tokyo" in await visitor.hears_answer(4)
        await visitor.talk_button.click()
        await visitor.sees("off")
        await expect(visitor.problem).to_be_empty()


async def test_firefox_connects_without_a_microphone_and_goes_on_aloud_after_a_reload(
    firefox: Browser, sound_card: SoundCard, url: str
) -> None:
    """Until the page has the microphone, Firefox offers only mDNS names, which few servers can resolve."""
    async with Visitor(await firefox.new_context(), url) as visitor:
        await visitor.types("What is ten times four?")
        assert "forty" in await visitor.hears_answer(1)
        await visitor.page.reload()
        await visitor.ready()
        await expect(visitor.answers).to_have_count(1)
        await visitor.talk_button.press("Enter")
        await visitor.sees("listening", timeout_s=10)
        sound_card.say(spoken(QUESTION))
        await visitor.hears_answer(2)
        assert words(await visitor.questions.last.inner_text())
        for width in (320, 390, 1280):
            await visitor.page.set_viewport_size({"width": width, "height": 800})
            assert (await visitor.page.evaluate(LOOK))["outside"] == [], f"cut off at {width} pixels"


async def shows_verdict(visitor: Visitor, count: int, decision: str) -> None:
    """Waits until there are this many verdicts, the newest of which is this one."""
    await expect(visitor.verdicts).to_have_count(count, timeout=ANSWER_S * 1000)
    await expect(visitor.verdicts.first).to_have_attribute("data-decision", re.compile(f"^{decision}$"))
