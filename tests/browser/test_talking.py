"""The main job: press once, ask aloud, hear the answer."""

from __future__ import annotations

from playwright.async_api import expect

from tests.browser.conftest import Browsers
from tests.browser.hearing import clipped_share, content_words, record, recorded, understood
from tests.browser.visitor import ANSWER_S
from tests.support.speech import spoken
from voicebot.core.audio import WIRE_RATE_HZ, Audio

QUESTIONS = ("what time is it in tokyo", "what is ten times three")
"""The recogniser understands these in this voice at any volume, with and without noise (18 of 18 and 9 of 9 tried)."""

BETWEEN_S = 15.0
"""Time enough for the first answer to be heard to its end, on a slow machine too."""


def two_questions() -> Audio:
    first, second = (spoken(question).resampled(WIRE_RATE_HZ) for question in QUESTIONS)
    lead, between = (Audio.silence(seconds, WIRE_RATE_HZ) for seconds in (1.0, BETWEEN_S))
    return Audio.joined([lead, first, between, second], WIRE_RATE_HZ)


async def test_two_spoken_questions_and_a_typed_one_are_answered_aloud(browsers: Browsers) -> None:
    visitor = await browsers.visit(two_questions())
    await visitor.talk_button.click()
    await visitor.sees("listening", "hearing", timeout_s=10)
    await record(visitor.page)

    await expect(visitor.questions.nth(0)).to_contain_text("tokyo", timeout=ANSWER_S * 1000)
    answer = await visitor.hears_answer(1)
    assert "Tokyo" in answer
    assert_heard(await recorded(visitor.page), answer, words=3)

    await expect(visitor.questions.nth(1)).to_contain_text("ten times three", timeout=ANSWER_S * 1000)
    answer = await visitor.hears_answer(2)
    assert "thirty" in answer
    assert_heard(await recorded(visitor.page), answer, words=1)

    await visitor.types("What time is it in London?")
    answer = await visitor.hears_answer(3)
    assert "London" in answer
    assert_heard(await recorded(visitor.page), answer, words=3)


def assert_heard(audio: Audio, answer: str, words: int) -> None:
    """There was sound, undistorted, and so many of the written words at least can be made out in it."""
    assert -45 < audio.level_dbfs < -6
    assert clipped_share(audio) < 1e-4
    text = understood(audio)
    assert len(content_words(answer) & content_words(text)) >= words, f"{answer!r} sounded like {text!r}"
