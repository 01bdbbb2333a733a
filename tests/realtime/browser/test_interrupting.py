"""The point of it all: "uh-huh" over a story is ridden out, a question over it is answered, and the page says why."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.realtime.browser.conftest import Browsers
from tests.realtime.browser.hearing import record, recording, sounding
from tests.realtime.browser.visitor import ANSWER_S, Visitor
from tests.support.understanding import words
from tests.support.verdict_cases import case_of_line
from voicebot.audio.sound import Audio
from voicebot.dialogue.interruption.verdict import Decision
from voicebot.dialogue.interruption.verdict_case import VerdictCase

pytestmark = pytest.mark.alone

ON_THE_WAY_S = 0.3
"""What the server sent before it paused is still in the browser's jitter buffer, and is heard out."""

AHEAD_S = 0.04
"""When the bot speaks on, the sound may come this much before the word of it, which takes another way."""

HUMMING_VOICE = "slt"
"""A voice of flite whose "uh-huh" the recogniser knows; it takes that of some other voices for words."""

COLOUR = "element => getComputedStyle(element).color"


async def test_the_bot_resumes_after_a_backchannel_and_answers_a_question_that_interrupts(
    browsers: Browsers, tmp_path: Path
) -> None:
    visitor = await browsers.meet()
    await visitor.talk_button.click()
    await visitor.sees("listening", timeout_s=10)
    await visitor.says("tell me a long story")
    await visitor.sees("speaking")
    await record(visitor.page)
    await visitor.hears_words(6)  # after the first second, in which a loudspeaker would have been noticed

    await visitor.says("uh-huh", HUMMING_VOICE)
    await shows_verdict(visitor, 1, "resume", "Continued", "RESUME", "backchannel")
    before = await visitor.words("heard")
    await visitor.hears_words(len(before) + 4)
    assert (await visitor.words("heard"))[: len(before)] == before
    await expect(visitor.answers).to_have_count(1)
    answer = visitor.answers.last
    assert await visitor.words("unheard")
    assert await answer.locator(".vb-heard").evaluate(COLOUR) != await answer.locator(".vb-unheard").evaluate(COLOUR)

    heard = await recording(visitor.page)
    assert [state for state, _ in heard.states] == ["paused", "speaking"]
    assert_silent(heard.between("paused", "speaking"), least_s=0.0)  # a hum is known so soon
    assert heard.between("speaking").level_dbfs > -45

    await visitor.says("what is ten times three")
    await shows_verdict(visitor, 2, "regenerate", "Stopped", "REGENERATE", "words")
    assert "thirty" in await visitor.hears_answer(2)
    story = visitor.answers.first
    await expect(story.locator(".vb-cut")).to_have_text("interrupted")
    await expect(story.locator(".vb-unheard")).to_be_empty()
    assert (await story.locator(".vb-heard").inner_text()).split()[: len(before)] == before
    assert words(await visitor.questions.last.inner_text()) == words("what is ten times three")
    assert_silent((await recording(visitor.page)).between("paused", "speaking"))

    await visitor.verdicts.last.get_by_role("button").click()
    cases = await saved(visitor.page, tmp_path)
    assert [case.expected for case in cases] == [Decision.REGENERATE]
    assert cases[0].context.words_heard >= 1


async def test_wrong_verdicts_can_be_marked_unmarked_and_saved_as_cases(browsers: Browsers, tmp_path: Path) -> None:
    visitor = await browsers.meet()
    await visitor.talk_button.click()
    await visitor.types("Tell me a long story")
    await visitor.hears_words(2)
    await visitor.says("what is ten times three")
    await expect(visitor.verdicts).to_have_count(1, timeout=ANSWER_S * 1000)
    save = visitor.page.locator(".vb-save")
    await expect(save).to_be_hidden()

    wrong = visitor.page.get_by_role("button", name="Wrong verdict: stopped after “what")
    await expect(wrong).to_have_attribute("aria-pressed", "false")
    await wrong.focus()
    await visitor.page.keyboard.press("Space")
    await expect(wrong).to_have_attribute("aria-pressed", "true")
    await expect(save).to_have_text("Save wrong verdicts (1)")
    await wrong.click()
    await expect(wrong).to_have_attribute("aria-pressed", "false")
    await expect(save).to_be_hidden()

    await wrong.click()
    await visitor.presses("New conversation")
    await expect(visitor.verdicts).to_have_count(0)
    await expect(save).to_have_text("Save wrong verdicts (1)")
    cases = await saved(visitor.page, tmp_path)
    assert [case.expected for case in cases] == [Decision.RESUME]
    assert cases[0].text.lower().startswith("what")
    assert cases[0].context.sentence


async def shows_verdict(visitor: Visitor, count: int, decision: str, done: str, term: str, rule: str) -> None:
    """Until there are so many verdicts, of which the last is this one."""
    await expect(visitor.verdicts).to_have_count(count, timeout=ANSWER_S * 1000)
    newest = visitor.verdicts.first
    await expect(newest).to_have_attribute("data-decision", decision)
    await expect(newest.locator(".vb-decision")).to_have_text(done)
    await expect(newest.locator(".vb-term")).to_have_text(term)
    await expect(newest.locator(".vb-reason")).not_to_be_empty()
    await expect(newest.locator(".vb-took")).to_contain_text("ms")
    shown = await newest.locator(".vb-rule").inner_text()
    assert shown.removeprefix("rule: ") == rule, await newest.inner_text()


async def saved(page: Page, folder: Path) -> list[VerdictCase]:
    """The cases in the file that the page gives."""
    async with page.expect_download() as download:
        await page.locator(".vb-save").click()
    file = await download.value
    assert file.suggested_filename == "voice-bot-cases.jsonl"
    await file.save_as(folder / file.suggested_filename)
    return [case_of_line(line) for line in (folder / file.suggested_filename).read_text("utf-8").splitlines()]


def assert_silent(sound: Audio, least_s: float = 0.1) -> None:
    """The sound is silent after the part that had been sent before the pause; the silence lasts at least `least_s`."""
    start, end = (round(seconds * sound.rate_hz) for seconds in (ON_THE_WAY_S, sound.duration_s - AHEAD_S))
    rest = Audio(sound.samples[start : max(start, end)], sound.rate_hz)
    assert rest.duration_s >= least_s
    assert len(sounding(rest).samples) == 0
