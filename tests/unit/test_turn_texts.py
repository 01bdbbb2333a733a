"""The text-only cases for the end of a turn: their split, their number, and how mistakes in a file are reported."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.benchmarks.turns.text_report import fit, result
from tests.benchmarks.turns.texts import TurnText, turn_texts

CASES = turn_texts()
LANGUAGES = ("de", "en", "es", "fr", "hi")


def test_each_language_has_more_than_120_cases_and_a_third_of_the_first_set_is_held_out() -> None:
    counts = Counter((case.language, case.part) for case in CASES)
    assert {language for language, _ in counts} == set(LANGUAGES)
    for language in LANGUAGES:
        assert counts[language, "development"] >= 240
        assert counts[language, "held out"] >= 110


def test_no_family_and_no_text_without_a_question_is_in_both_parts() -> None:
    for part_of in (
        {(case.family, case.part) for case in CASES},
        {((case.language, case.text, case.asked), case.part) for case in CASES},
    ):
        assert max(Counter(key for key, _ in part_of).values()) == 1
    assert not {(case.asked, case.part) for case in CASES if case.asked and case.part == "held out"} & {
        (case.asked, "held out") for case in CASES if case.part == "development"
    }


def test_no_case_has_two_labels() -> None:
    labels = Counter((case.language, case.asked, case.text) for case in CASES)
    assert [key for key, count in labels.items() if count > 1] == []


def test_both_labels_are_common_in_each_part() -> None:
    for language in LANGUAGES:
        for part in ("development", "held out"):
            labels = [case.over for case in CASES if (case.language, case.part) == (language, part)]
            assert 0.4 <= sum(labels) / len(labels) <= 0.6


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[[family]]\npart = "spare"\nkind = "list"', "xx.toml: family 1 is in no part: 'spare'"),
        ('[[family]]\npart = "held out"\nkind = "list"\nopen = []', "xx.toml: family 1 has unknown keys"),
    ],
)
def test_a_mistake_in_a_file_is_reported(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "xx.toml").write_text(text, "utf-8")
    with pytest.raises(ValueError, match=problem):
        turn_texts(tmp_path)


def test_the_report_counts_signs_and_ranks() -> None:
    scores = {"a": 2.0, "b": 0.0, "c": -1.0, "d": 1.0}
    over = {"a": True, "b": True, "c": False, "d": False}
    cases = [TurnText("en", "development", "list", "en 1", "", text, over[text]) for text in scores]
    found = result(cases, lambda case: scores[case.text])
    assert (found.over, found.unfinished, found.right, found.opposite, found.auc) == (2, 2, 0.5, 0.25, 0.75)


def test_a_fit_adds_what_the_words_lack() -> None:
    assert fit([]) == pytest.approx(0, abs=1e-6)
    assert fit([(-3.0, True)] * 50) == pytest.approx(5.9, abs=0.1)
    assert fit([(0.0, True), (0.0, False)]) == pytest.approx(0, abs=1e-6)
