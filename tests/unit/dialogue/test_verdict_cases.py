"""Labelled cases in five languages: utterances over a reply, and the expected decisions."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.support.verdict_cases import case_of_line
from voicebot.dialogue.interruption.verdict import Decision, Speech, VerdictContext, give_verdict
from voicebot.dialogue.interruption.verdict_case import VerdictCase

FOLDER = Path(__file__).parent / "verdict_cases"
CASES = [case_of_line(line) for path in sorted(FOLDER.glob("*.jsonl")) for line in path.read_text("utf-8").splitlines()]
FINAL = [case for case in CASES if case.final]
INTERIM = [case for case in CASES if not case.final]
LANGUAGES = ["en", "es", "de", "fr", "hi"]

KNOWN_WRONG = [
    ("de", "Oha."),
    ("en", "I did not know that"),
    ("en", "I think that's great"),
    ("en", "Yeah, that makes total sense."),
    ("en", "loosen the soil round the edge and lift"),
    ("en", "no, they never do"),
    ("en", "rooms left on the second flaw"),
    ("en", "shut the front door"),
    ("en", "so sunny"),
    ("en", "wow, that's quite a range"),
    ("en", "yeah that works for me"),
    ("en", "you can, can you?"),
    ("es", "mjm"),
    ("es", "¿no tienes?"),
    ("es", "¿seguro?"),
]
"""The cases that are known to be decided wrongly. A case that is decided rightly must be removed from this list."""


def decided(case: VerdictCase) -> Decision:
    return give_verdict(case.text, case.context, final=case.final).decision


def test_the_reasons_speak_to_the_user_and_not_about_them() -> None:
    reasons = {give_verdict(case.text, case.context, final=case.final).reason for case in CASES}
    assert "“uh-huh” only shows that you are listening" in reasons
    assert [reason for reason in reasons if "the user" in reason] == []


def test_labelled_cases_get_the_expected_verdict_except_the_known_wrong_ones() -> None:
    wrong = [(case.context.language, case.text) for case in FINAL if decided(case) is not case.expected]
    assert sorted(wrong) == KNOWN_WRONG


@pytest.mark.parametrize("case", INTERIM, ids=lambda case: f"{case.context.language}: {case.text}")
def test_interim_words_get_the_labelled_verdict(case: VerdictCase) -> None:
    assert decided(case) is case.expected


def test_the_labelled_cases_are_many_and_balanced_in_each_language() -> None:
    counts = Counter((case.context.language, case.expected) for case in FINAL)
    assert sum(counts.values()) >= 330
    for language in LANGUAGES:
        resumed, gave_way = counts[language, Decision.RESUME], counts[language, Decision.REGENERATE]
        assert resumed + gave_way >= 50
        assert 0.35 <= resumed / (resumed + gave_way) <= 0.65


numbers = st.none() | st.floats(-60, 60)


@given(
    st.builds(
        VerdictCase,
        st.builds(
            VerdictContext,
            language=st.text(),
            sentence=st.text(),
            words_heard=st.integers(0, 99),
            previous=st.text(),
            confidence=numbers,
            backchannel=st.text(),
            speech=st.builds(Speech, duration_s=st.floats(0, 60), level_db=numbers, echo=numbers, outlasted_s=numbers),
        ),
        text=st.text(),
        final=st.booleans(),
        expected=st.sampled_from(Decision),
        why=st.text(),
    )
)
def test_a_case_written_as_a_line_reads_back_unchanged(case: VerdictCase) -> None:
    line = case.to_line()
    assert "\n" not in line
    assert case_of_line(line) == case


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("{", "JSON"),
        ("{}", "expected"),
        ('{"sentense": ""}', "sentense"),
        ('{"words_heard": true}', "words_heard"),
        ('{"language": "en", "sentence": "", "words_heard": 0, "text": "", "expected": "no"}', "expected"),
        (
            '{"language": "en", "sentence": "", "words_heard": 0, "text": "", "expected": "wait", "speech": {"db": 1}}',
            "speech.db",
        ),
    ],
)
def test_an_invalid_case_line_raises_an_error_that_names_the_mistake(line: str, wrong: str) -> None:
    with pytest.raises(ValidationError, match=wrong):
        case_of_line(line)
