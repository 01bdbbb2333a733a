from __future__ import annotations

import pytest

from voicebot.core.verdict import Context, Decision, judge

TALKING = Context(sentence="Once upon a time there was a cat.")
ASKING = Context(sentence="Shall I go on?")


@pytest.mark.parametrize(
    "text",
    ["", "...", "uh-huh", "Uh huh.", "Mm-hmm", "okay", "OK!", "yeah yeah", "Okay, go ahead", "I see", "hm right"],
)
def test_backchannels_and_noises_let_the_bot_go_on(text: str) -> None:
    assert judge(text, TALKING, final=True).decision is Decision.RESUME


@pytest.mark.parametrize(
    "text", ["book it", "token", "okay stop that and listen", "what time is it", "no", "rightly so", "I see a problem"]
)
def test_whole_words_count_and_not_their_parts(text: str) -> None:
    verdict = judge(text, TALKING, final=True)
    assert verdict.decision is Decision.REGENERATE
    assert verdict.answer


@pytest.mark.parametrize("text", ["yes", "Okay.", "yeah sure", "go ahead"])
def test_after_a_question_they_are_answers(text: str) -> None:
    verdict = judge(text, ASKING, final=True)
    assert (verdict.decision, verdict.rule) == (Decision.REGENERATE, "answer")


def test_a_listening_sound_is_no_answer_even_then() -> None:
    assert judge("uh-huh", ASKING, final=True).decision is Decision.RESUME


@pytest.mark.parametrize("text", ["stop", "Stop! Stop!", "be quiet", "That's enough."])
def test_stop_words_want_silence(text: str) -> None:
    verdict = judge(text, TALKING, final=True)
    assert (verdict.decision, verdict.answer) == (Decision.REGENERATE, False)


def test_nothing_is_decided_while_the_user_speaks() -> None:
    assert judge("stop", TALKING, final=False).decision is Decision.WAIT


def test_every_verdict_says_why() -> None:
    for text in ("", "uh-huh", "okay", "stop", "what"):
        verdict = judge(text, TALKING, final=True)
        assert verdict.rule
        assert verdict.reason
        assert verdict.text == text
