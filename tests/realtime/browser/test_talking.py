"""The main job: press once, ask aloud, hear the answer."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

from tests.realtime.browser.conftest import Browsers
from tests.realtime.browser.hearing import clipped_share, record, recorded
from tests.realtime.browser.visitor import ANSWER_S, Visitor
from tests.support.speech import spoken
from tests.support.understanding import understood, word_errors, words
from voicebot.audio.sound import WIRE_RATE_HZ, Audio

pytestmark = pytest.mark.alone  # a gap in the sound is a word misheard

QUESTIONS = ("what time is it in london", "what is ten times three")

MISHEARD = 0.05
"""The share of the answers' words that the recogniser may get wrong in the embedded voice."""

BETWEEN_S = 12.0
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

    await asks(visitor, 0, QUESTIONS[0])
    await answers_aloud(visitor, 1, "London")
    await asks(visitor, 1, QUESTIONS[1])
    await answers_aloud(visitor, 2, "thirty")

    await visitor.types("And what time is it in Tokyo now?")
    await answers_aloud(visitor, 3, "Tokyo")


async def asks(visitor: Visitor, number: int, question: str) -> None:
    """Until the page shows the question, which must be understood to the word."""
    await expect(visitor.questions.nth(number)).to_have_text(re.compile(r"\w"), timeout=ANSWER_S * 1000)
    assert words(await visitor.questions.nth(number).inner_text()) == words(question)


async def answers_aloud(visitor: Visitor, number: int, word: str) -> None:
    """Until the answer has been spoken; the page must show this word in it, and play what it shows."""
    answer = await visitor.hears_answer(number)
    assert word in answer
    sound = await recorded(visitor.page)
    assert_sounds_well(sound)
    assert word_errors(answer, understood(sound)) <= MISHEARD * len(words(answer))


def assert_sounds_well(sound: Audio) -> None:
    """It is there, and undistorted."""
    assert -45 < sound.level_dbfs < -6
    assert clipped_share(sound) < 1e-4
