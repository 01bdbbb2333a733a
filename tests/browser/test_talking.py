"""The main job: press once, ask aloud, hear the answer."""

from __future__ import annotations

from playwright.async_api import expect

from tests.browser.conftest import Browsers
from tests.browser.hearing import clipped_share, content_words, record, recorded, understood
from tests.browser.visitor import ANSWER_S
from tests.support.speech import spoken
from voicebot.core.audio import WIRE_RATE_HZ, Audio


def two_questions() -> Audio:
    """The second comes long after the first, when its answer has been heard on any machine."""
    first, second = (spoken(text).resampled(WIRE_RATE_HZ) for text in ("what time is it in tokyo", "what is two plus two"))
    pauses = [Audio.silence(seconds, WIRE_RATE_HZ) for seconds in (1.0, 14.0)]
    return Audio.joined([pauses[0], first, pauses[1], second], WIRE_RATE_HZ)


async def test_two_spoken_questions_and_a_typed_one_are_answered_aloud(browsers: Browsers) -> None:
    visitor = await browsers.visit(two_questions())
    await visitor.talk_button.click()
    await visitor.sees("listening", "hearing", timeout_s=10)
    await record(visitor.page)

    await expect(visitor.questions.nth(0)).to_contain_text("tokyo", timeout=ANSWER_S * 1000)
    answer = await visitor.hears_answer(1)
    assert "Tokyo" in answer
    print(answer, '|', understood(await recorded(visitor.page)))

    await expect(visitor.questions.nth(1)).to_contain_text("two plus two", timeout=ANSWER_S * 1000)
    answer = await visitor.hears_answer(2)
    assert "four" in answer.lower() or "4" in answer
    print(answer, '|', understood(await recorded(visitor.page)))

    await visitor.types("Who are you?")
    answer = await visitor.hears_answer(3)
    assert "bot" in answer.lower()
    print(answer, '|', understood(await recorded(visitor.page)))
    assert await visitor.page.locator("#vb-turn tfoot .vb-now").inner_text() != "–"


async def assert_heard(audio: Audio, answer: str) -> None:
    """The sound was there, undistorted, and says what is written."""
    assert -45 < audio.level_dbfs < -6
    assert clipped_share(audio) < 1e-4
    written, heard = content_words(answer), content_words(understood(audio))
    assert len(written & heard) >= min(2, len(written)), f"{answer!r} sounded like {heard}"
