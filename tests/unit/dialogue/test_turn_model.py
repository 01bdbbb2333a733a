"""The end-of-turn model's answer: how long it holds, and what it is worth."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.machine_session import Session
from voicebot.dialogue.end_of_turn.evidence import Source
from voicebot.dialogue.end_of_turn.model import MOST, model_evidence
from voicebot.dialogue.events import (
    PartialTranscript,
    SpeechContinued,
    SpeechEnded,
    SpeechPaused,
    SpeechStarted,
    TurnModelAnswered,
)


def paused(*, pause: int = 1) -> Session:
    session = Session()
    session.post(SpeechStarted(1), *(SpeechPaused(1, number, 0.1) for number in range(1, pause + 1)))
    return session


def test_the_answer_is_kept_while_the_pause_lasts() -> None:
    session = paused()
    session.post(TurnModelAnswered(1, 1, 0.9), PartialTranscript(1, "what time is it", pause=1))
    (utterance,) = session.state.utterances
    assert utterance.model_probability == 0.9


def test_the_answer_is_forgotten_when_the_user_speaks_on() -> None:
    session = paused()
    session.post(TurnModelAnswered(1, 1, 0.9), SpeechContinued(1))
    assert session.state.utterances[0].model_probability is None
    session.post(SpeechPaused(1, 2, 0.1))
    assert session.state.utterances[0].model_probability is None


@pytest.mark.parametrize("answer", [TurnModelAnswered(1, 1, 0.9), TurnModelAnswered(2, 2, 0.9)])
def test_an_answer_about_another_pause_or_utterance_is_dropped(answer: TurnModelAnswered) -> None:
    session = paused(pause=2)
    before = session.state
    assert session.post(answer) == []
    assert session.state is before


def test_an_answer_that_comes_while_the_user_speaks_or_after_the_utterance_is_dropped() -> None:
    session = paused()
    session.post(SpeechContinued(1))
    before = session.state
    session.post(TurnModelAnswered(1, 1, 0.9))
    assert session.state is before
    session.post(SpeechPaused(1, 2, 0.1), SpeechEnded(1, 0.5))
    session.post(TurnModelAnswered(1, 2, 0.9))
    assert session.state.utterances[0].model_probability is None


def test_a_probability_of_a_half_says_nothing_and_others_speak_for_or_against_the_end() -> None:
    assert model_evidence(0.5).log_odds == 0
    assert model_evidence(0.9).log_odds == pytest.approx(-model_evidence(0.1).log_odds)
    assert model_evidence(0.9).log_odds > 0
    assert model_evidence(0.9).source is Source.MODEL
    assert model_evidence(0.9).reason == "it sounds finished (90%)"
    assert model_evidence(0.1).reason == "it sounds unfinished (10%)"


@given(st.floats(0, 1), st.floats(0, 1))
def test_the_evidence_is_bounded_and_grows_with_the_probability(one: float, other: float) -> None:
    low, high = (model_evidence(probability).log_odds for probability in sorted((one, other)))
    assert -MOST <= low <= high <= MOST
