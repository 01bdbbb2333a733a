"""The start times of words, from the marks that espeak-ng emits for a text."""

from __future__ import annotations

import pytest

from voicebot.engines.protocols import WordStarts
from voicebot.engines.tts.espeak import word_starts


def test_a_number_spoken_as_several_words_has_one_start() -> None:
    found = word_starts("In 1984 we", [(0, 0.0), (3, 0.2), (4, 0.5), (4, 0.9), (8, 1.4)], 2.0)
    assert found == WordStarts((0.0, 0.2, 1.4))


def test_an_unmarked_word_starts_between_its_neighbours_and_punctuation_with_the_next() -> None:
    found = word_starts("one of the – men !", [(0, 0.0), (4, 0.3), (13, 0.8)], 1.3)
    assert found is not None
    assert found.starts_s == pytest.approx((0.0, 0.3, 0.5, 0.8, 0.8, 1.3))


@pytest.mark.parametrize(
    "marks",
    [[], [(0, 0.0)], [(4, 0.0), (0, 0.2), (8, 0.4)], [(0, 0.4), (4, 0.2), (8, 0.5)], [(0, 0.0), (4, 0.2), (8, 9.0)]],
    ids=["none", "too few", "words out of order", "times out of order", "past the end"],
)
def test_marks_that_do_not_fit_the_text_give_no_word_starts(marks: list[tuple[int, float]]) -> None:
    assert word_starts("one two six", marks, 1.0) is None
