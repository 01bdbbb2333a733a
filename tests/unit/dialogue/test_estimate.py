"""The estimate of whether a turn is over, and the silence that ends it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicebot.dialogue.end_of_turn.estimate import DELAYS, WEIGHTS, Estimate
from voicebot.dialogue.end_of_turn.evidence import Source, TurnEvidence
from voicebot.dialogue.end_of_turn.pauses import KEPT, MOST, MOST_AGAINST, PauseHistory, pause_evidence
from voicebot.dialogue.preferences import Endpointing

LOG_ODDS = st.floats(-20, 20)
MODES = st.sampled_from(Endpointing)


def evidence(log_odds: float, source: Source = Source.WORDS) -> TurnEvidence:
    return TurnEvidence(source, log_odds, "a whole question")


@given(LOG_ODDS, st.floats(0.01, 5), MODES, st.booleans())
def test_the_surer_the_end_the_shorter_the_delay(
    log_odds: float, more: float, mode: Endpointing, settled: bool
) -> None:
    delays = DELAYS[mode]
    longer_s, shorter_s = (delays.delay_s(each, settled=settled) for each in (log_odds, log_odds + more))
    assert delays.least_s <= shorter_s <= longer_s <= delays.most_s


@given(LOG_ODDS, st.booleans())
def test_a_quick_session_waits_least_and_a_patient_one_longest(log_odds: float, settled: bool) -> None:
    waits = [DELAYS[mode].delay_s(log_odds, settled=settled) for mode in Endpointing]
    assert waits == sorted(waits)


@given(LOG_ODDS, MODES)
def test_the_bot_waits_longer_while_words_may_be_missing(log_odds: float, mode: Endpointing) -> None:
    delays = DELAYS[mode]
    assert delays.delay_s(log_odds, settled=True) <= delays.delay_s(log_odds, settled=False)


def test_the_bounds_are_150_ms_and_one_and_a_half_seconds_or_three_for_patient_sessions() -> None:
    assert DELAYS[Endpointing.BALANCED].delay_s(9, settled=True) == 0.15
    assert DELAYS[Endpointing.BALANCED].delay_s(-9, settled=True) == 1.5
    assert DELAYS[Endpointing.PATIENT].delay_s(-9, settled=True) == 3.0


def test_evidence_adds_up_and_what_is_missing_says_nothing() -> None:
    estimate = Estimate.of([evidence(2.0), None, evidence(-1.0, Source.SOUND)])
    assert estimate.log_odds == pytest.approx(2 * WEIGHTS[Source.WORDS] - WEIGHTS[Source.SOUND])
    assert Estimate.of([evidence(1.0, Source.PAUSES)]).probability == pytest.approx(0.731, abs=0.001)
    assert Estimate().probability == 0.5
    assert estimate.without(frozenset({Source.SOUND})).log_odds == 2 * WEIGHTS[Source.WORDS]


def test_the_strongest_evidence_for_the_end_is_the_reason() -> None:
    estimate = Estimate.of([evidence(1.0), TurnEvidence(Source.SOUND, 2.0, "the voice falls")])
    assert estimate.reason(0.2) == "sound: the voice falls"


@pytest.mark.parametrize("against", [[], [evidence(-3.0)], [evidence(1.0), evidence(-3.0, Source.SOUND)]])
def test_without_evidence_for_the_end_the_silence_is_the_reason(against: list[TurnEvidence]) -> None:
    assert Estimate.of(against).reason(1.52) == "silence: 1.5 s"


# The user's pauses ------------------------------------------------------------------------------------------------


def test_a_new_user_is_judged_by_nothing() -> None:
    assert pause_evidence(PauseHistory()) is None


def test_a_user_who_goes_on_after_pauses_is_less_likely_to_be_done() -> None:
    hesitant, fluent = PauseHistory(), PauseHistory()
    for _ in range(4):
        hesitant = hesitant.after_pause().after_pause().after_turn()
        fluent = fluent.after_turn()
    for history, sign in ((hesitant, -1), (fluent, 1)):
        found = pause_evidence(history)
        assert found is not None
        assert 0 < sign * found.log_odds <= MOST_AGAINST


def test_a_turn_that_was_answered_too_soon_counts_as_a_pause() -> None:
    assert PauseHistory().after_turn().after_correction() == PauseHistory().after_pause()
    assert PauseHistory().after_correction() == PauseHistory()
    assert PauseHistory().after_pause().after_correction() == PauseHistory().after_pause()


@given(st.lists(st.booleans(), max_size=40))
def test_only_the_last_pauses_count(went_on: list[bool]) -> None:
    history = PauseHistory()
    for each in went_on:
        history = history.after_pause() if each else history.after_turn()
    assert history.went_on == tuple(went_on[-KEPT:])
    found = pause_evidence(history)
    assert found is None or -MOST_AGAINST <= found.log_odds <= MOST
