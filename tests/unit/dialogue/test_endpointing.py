"""The endpointer turns speech probabilities into the starts, pauses and ends of utterances."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicebot.dialogue.end_of_turn.estimate import DELAYS
from voicebot.dialogue.endpointing import WINDOW_S, Endpointer, EndpointRules, SpeechEvent
from voicebot.dialogue.preferences import Endpointing, InterruptionThresholds, Sensitivity

SUSPICION = {SpeechEvent.SUSPECTED, SpeechEvent.CLEARED}


def all_edges(probabilities: list[float], rules: EndpointRules | None = None) -> list[tuple[int, SpeechEvent]]:
    endpointer = Endpointer(rules or EndpointRules())
    return [(index, edge) for index, value in enumerate(probabilities) if (edge := endpointer.push(value)) is not None]


def edges(probabilities: list[float], rules: EndpointRules | None = None) -> list[tuple[int, SpeechEvent]]:
    """Returns the events of utterances only, without suspicions."""
    return [(index, edge) for index, edge in all_edges(probabilities, rules) if edge not in SUSPICION]


def test_speech_starts_after_three_windows_and_ends_after_half_a_second() -> None:
    assert edges([0.0] * 5 + [0.9] * 20 + [0.0] * 30) == [
        (7, SpeechEvent.STARTED),
        (27, SpeechEvent.PAUSED),
        (40, SpeechEvent.ENDED),
    ]


def test_a_click_does_not_start_an_utterance() -> None:
    assert edges([0.0, 0.9, 0.9, 0.0, 0.9, 0.0]) == []


def test_a_pause_shorter_than_the_endpointing_delay_does_not_end_the_utterance() -> None:
    assert edges([0.9] * 5 + [0.0] * 15 + [0.9] * 5 + [0.0] * 16) == [
        (2, SpeechEvent.STARTED),
        (7, SpeechEvent.PAUSED),
        (22, SpeechEvent.CONTINUED),
        (27, SpeechEvent.PAUSED),
        (40, SpeechEvent.ENDED),
    ]


def test_a_noise_in_a_pause_does_not_continue_the_utterance() -> None:
    found = edges([0.9] * 5 + [0.0] * 4 + [0.9, 0.9] + [0.0] * 16)
    assert [edge for _, edge in found] == [SpeechEvent.STARTED, SpeechEvent.PAUSED, SpeechEvent.ENDED]


def test_an_endpointing_delay_applies_to_one_utterance_only() -> None:
    endpointer = Endpointer(EndpointRules())
    for endpointing_delay_s, windows in ((0.2, 7), (1.5, 47), (None, 16)):
        for _ in range(10):
            endpointer.push(0.9)
        assert endpointer.speaking
        if endpointing_delay_s is not None:
            endpointer.endpointing_delay_s = endpointing_delay_s
        silence = [endpointer.push(0.0) for _ in range(60)]
        assert silence.index(SpeechEvent.ENDED) + 1 == windows


def test_an_utterance_continues_at_a_probability_too_low_to_start_one() -> None:
    assert edges([0.4] * 10) == []
    assert edges([0.9] * 3 + [0.4] * 40) == [(2, SpeechEvent.STARTED)]


def test_speech_longer_than_the_limit_is_cut() -> None:
    found = edges([0.9] * 100, EndpointRules(longest_s=1.0))
    assert [edge for _, edge in found[:3]] == [SpeechEvent.STARTED, SpeechEvent.ENDED, SpeechEvent.STARTED]
    assert (found[1][0] + 1) * WINDOW_S >= 1.0


def test_a_cut_utterance_is_followed_by_another_from_the_very_next_window() -> None:
    found = edges([0.9] * 200, EndpointRules(longest_s=1.0))
    cuts = [index for index, edge in found if edge is SpeechEvent.ENDED]
    assert [index for index, edge in found if edge is SpeechEvent.STARTED][1:] == [cut + 1 for cut in cuts]


def test_long_speech_is_cut_between_two_words_where_possible() -> None:
    rules = EndpointRules(longest_s=3.0)
    assert [edge for index, edge in edges([0.9] * 70 + [0.1] + [0.9] * 5, rules)] == [SpeechEvent.STARTED], (
        "the speech is too short to be cut"
    )
    found = edges([0.9] * 85 + [0.1] + [0.9] * 20, rules)
    assert found == [(2, SpeechEvent.STARTED), (85, SpeechEvent.ENDED), (86, SpeechEvent.STARTED)]


def test_speech_that_ends_where_it_was_cut_ends_after_the_usual_silence() -> None:
    found = edges([0.9] * 85 + [0.0] * 40, EndpointRules(longest_s=3.0))
    assert found[1:3] == [(85, SpeechEvent.ENDED), (86, SpeechEvent.STARTED)]
    assert found[-1] == (100, SpeechEvent.ENDED), "the end must come half a second after the last word"


@given(st.lists(st.floats(0, 1), max_size=200))
def test_utterance_starts_and_ends_alternate(probabilities: list[float]) -> None:
    found = [edge for _, edge in edges(probabilities)]
    kinds = [edge for edge in found if edge in (SpeechEvent.STARTED, SpeechEvent.ENDED)]
    assert kinds == [SpeechEvent.STARTED, SpeechEvent.ENDED] * (len(kinds) // 2) + [SpeechEvent.STARTED] * (
        len(kinds) % 2
    )


def test_a_pause_is_detected_sooner_when_the_endpointing_delay_is_short() -> None:
    for endpointing_delay_s, windows in ((None, 3), (0.16, 2), (0.6, 3), (1.5, 3)):
        endpointer = Endpointer(EndpointRules())
        for _ in range(10):
            endpointer.push(0.9)
        endpointer.endpointing_delay_s = endpointing_delay_s
        assert [endpointer.push(0.0) for _ in range(5)].index(SpeechEvent.PAUSED) + 1 == windows


@given(st.lists(st.floats(0, 1), max_size=200))
def test_pauses_occur_only_within_utterances_and_never_twice_in_a_row(probabilities: list[float]) -> None:
    before = SpeechEvent.ENDED
    allowed = {
        SpeechEvent.STARTED: {SpeechEvent.ENDED},
        SpeechEvent.PAUSED: {SpeechEvent.STARTED, SpeechEvent.CONTINUED},
        SpeechEvent.CONTINUED: {SpeechEvent.PAUSED},
        SpeechEvent.ENDED: {SpeechEvent.STARTED, SpeechEvent.PAUSED, SpeechEvent.CONTINUED},
    }
    for _, edge in edges(probabilities):
        assert before in allowed[edge]
        before = edge


def test_speech_is_suspected_before_an_utterance_starts() -> None:
    assert all_edges([0.0, 0.9, 0.9, 0.9]) == [(1, SpeechEvent.SUSPECTED), (3, SpeechEvent.STARTED)]
    assert all_edges([0.0, 0.4, 0.6, 0.6, 0.6]) == [(2, SpeechEvent.SUSPECTED), (4, SpeechEvent.STARTED)]


def test_a_suspicion_that_does_not_become_speech_is_cleared() -> None:
    assert all_edges([0.9, 0.1, 0.1]) == [(0, SpeechEvent.SUSPECTED), (1, SpeechEvent.CLEARED)]
    assert all_edges([0.3, 0.3, 0.3]) == [], "a probability below the threshold must cause no event"


def test_a_lasting_sound_that_is_not_speech_is_suspected_once() -> None:
    found = all_edges([0.45] * 40)
    assert [edge for _, edge in found] == [SpeechEvent.SUSPECTED, SpeechEvent.CLEARED]
    assert found[1][0] - found[0][0] <= 5
    again = all_edges([0.45] * 40 + [0.0, 0.45, 0.45])
    assert [edge for _, edge in again][2:] == [SpeechEvent.SUSPECTED]


@given(st.lists(st.floats(0, 1), max_size=200))
def test_every_suspicion_is_cleared_or_becomes_speech(probabilities: list[float]) -> None:
    suspected = speaking = False
    for _, edge in all_edges([*probabilities, *[0.0] * 20]):
        match edge:
            case SpeechEvent.SUSPECTED:
                assert not suspected
                assert not speaking
            case SpeechEvent.CLEARED:
                assert suspected
            case SpeechEvent.STARTED:
                assert not speaking
            case _:
                assert speaking
                assert not suspected
        suspected = edge is SpeechEvent.SUSPECTED
        speaking = edge in (SpeechEvent.STARTED, SpeechEvent.PAUSED, SpeechEvent.CONTINUED)
    assert not suspected


def test_the_endpointer_measures_the_utterance_and_the_silence_after_it() -> None:
    endpointer = Endpointer(EndpointRules())
    for probability in [0.0] * 10 + [0.9] * 20:
        endpointer.push(probability)
    assert (endpointer.utterance_s, endpointer.silence_s) == (20 * WINDOW_S, 0)
    for _ in range(5):
        endpointer.push(0.0)
    assert (endpointer.utterance_s, endpointer.silence_s) == (20 * WINDOW_S, 5 * WINDOW_S)


def test_a_suspicion_lasts_until_it_is_cleared_or_speech_starts() -> None:
    endpointer = Endpointer(EndpointRules())
    states = []
    for probability in [0.0, 0.9, 0.0, 0.9, 0.9, 0.9, 0.9]:
        endpointer.push(probability)
        states.append((endpointer.suspecting, endpointer.speaking))
    nothing, suspecting, speaking = (False, False), (True, False), (False, True)
    assert states == [nothing, suspecting, nothing, suspecting, suspecting, speaking, speaking]


def windows_until_heard(rules: EndpointRules, probability: float) -> int | None:
    endpointer = Endpointer(rules)
    edges = [endpointer.push(probability) for _ in range(10)]
    return edges.index(SpeechEvent.STARTED) + 1 if SpeechEvent.STARTED in edges else None


@pytest.mark.parametrize(
    ("probability", "hard", "balanced", "easy"), [(0.9, 5, 3, 2), (0.6, None, 3, 2), (0.4, None, None, 2)]
)
def test_sensitivity_sets_how_probable_and_how_long_speech_over_the_bot_must_be(
    probability: float, hard: int | None, balanced: int | None, easy: int | None
) -> None:
    rules = [EndpointRules().over_the_bot(each.interruption_thresholds) for each in Sensitivity]
    assert [windows_until_heard(each, probability) for each in rules] == [hard, balanced, easy]


def test_balanced_sensitivity_leaves_the_endpoint_rules_unchanged() -> None:
    assert EndpointRules().over_the_bot(Sensitivity.BALANCED.interruption_thresholds) == EndpointRules()


@pytest.mark.parametrize("threshold", [0.16, 0.3, 0.5, 0.99])
@pytest.mark.parametrize("start_s", [0.032, 0.096, 1.0])
def test_every_sensitivity_keeps_the_speech_thresholds_and_start_time_in_range(
    threshold: float, start_s: float
) -> None:
    for each in Sensitivity:
        rules = EndpointRules(threshold=threshold, start_s=start_s).over_the_bot(each.interruption_thresholds)
        assert 0 < rules.threshold - rules.hysteresis < rules.threshold < 1
        assert rules.start_s >= 0.032
    assert EndpointRules(threshold=threshold).over_the_bot(InterruptionThresholds()).threshold == threshold


# Push-to-talk -----------------------------------------------------------------------------------------------------


def pushed(endpointer: Endpointer, probabilities: list[float]) -> list[SpeechEvent]:
    """Returns the events of utterances that these windows bring about."""
    events = [event for value in probabilities if (event := endpointer.push(value)) is not None]
    return [event for event in events if event not in SUSPICION]


def test_while_the_button_is_held_no_pause_ends_the_utterance() -> None:
    endpointer = Endpointer(EndpointRules())
    assert endpointer.press(), "the press must begin an utterance before any speech"
    endpointer.endpointing_delay_s = 0.6
    found = pushed(endpointer, [0.0] * 100 + [0.9] * 10 + [0.0] * 200 + [0.9] * 10)
    assert found == [SpeechEvent.CONTINUED, SpeechEvent.PAUSED, SpeechEvent.CONTINUED]
    assert endpointer.speaking


@pytest.mark.parametrize("probability", [0.0, 0.9])
def test_letting_go_of_the_button_ends_the_utterance_after_160_ms_with_or_without_speech(probability: float) -> None:
    endpointer = Endpointer(EndpointRules())
    endpointer.press()
    pushed(endpointer, [0.9] * 10)
    endpointer.release()
    assert endpointer.is_open
    found = [endpointer.push(probability) for _ in range(5)]
    assert found.index(SpeechEvent.RELEASED) == 4
    assert not endpointer.is_open
    assert not endpointer.speaking


def test_pressing_again_before_the_utterance_has_ended_continues_it() -> None:
    endpointer = Endpointer(EndpointRules())
    endpointer.press()
    endpointer.release()
    endpointer.push(0.0)
    assert not endpointer.press()
    assert pushed(endpointer, [0.9] * 50) == [SpeechEvent.CONTINUED]


def test_a_button_held_in_silence_ends_the_utterance_after_the_longest_duration() -> None:
    endpointer = Endpointer(EndpointRules(longest_s=1.0))
    endpointer.press()
    found = [endpointer.push(0.0) for _ in range(200)]
    assert [(index, event) for index, event in enumerate(found) if event] == [(31, SpeechEvent.ENDED)]
    assert pushed(endpointer, [0.9] * 3) == [SpeechEvent.STARTED], "speech after that must begin another utterance"


def test_a_button_let_go_without_an_utterance_changes_nothing() -> None:
    endpointer = Endpointer(EndpointRules())
    endpointer.release()
    assert not endpointer.is_open
    assert pushed(endpointer, [0.9] * 5 + [0.0] * 16) == [SpeechEvent.STARTED, SpeechEvent.PAUSED, SpeechEvent.ENDED]


@given(st.lists(st.floats(0, 1) | st.sampled_from(["press", "release"]), max_size=300))
def test_utterances_begin_and_end_in_turn_whatever_the_user_does_with_the_button(script: list[float | str]) -> None:
    endpointer, open_now, cut = Endpointer(EndpointRules(longest_s=2.0)), False, False
    for each in script:
        if isinstance(each, str):
            if each == "press":
                assert endpointer.press() == (not open_now)
                open_now = True
            else:
                endpointer.release()
            continue
        match endpointer.push(each):
            case SpeechEvent.STARTED:
                assert cut or not open_now
                open_now, cut = True, False
            case SpeechEvent.ENDED | SpeechEvent.RELEASED:
                assert open_now
                open_now = cut = endpointer.goes_on
            case _:
                pass
    endpointer.release()
    pushed(endpointer, [0.0] * 80)
    assert not endpointer.speaking, "no utterance may stay open"


@pytest.mark.parametrize("endpointing", Endpointing)
def test_the_silence_that_ends_an_utterance_without_words_follows_the_endpointing(endpointing: Endpointing) -> None:
    found = edges([0.9] * 5 + [0.0] * 60, EndpointRules().with_endpointing(endpointing))
    silence_s = (found[-1][0] - 4) * WINDOW_S
    assert silence_s == pytest.approx(DELAYS[endpointing].even_s, abs=WINDOW_S)
