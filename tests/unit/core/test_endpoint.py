from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from voicebot.core.endpoint import WINDOW_S, Edge, Endpointer, EndpointRules

SUSPICION = {Edge.SUSPECTED, Edge.CLEARED}


def all_edges(probabilities: list[float], rules: EndpointRules | None = None) -> list[tuple[int, Edge]]:
    endpointer = Endpointer(rules or EndpointRules())
    return [(index, edge) for index, value in enumerate(probabilities) if (edge := endpointer.push(value)) is not None]


def edges(probabilities: list[float], rules: EndpointRules | None = None) -> list[tuple[int, Edge]]:
    """Of utterances only."""
    return [(index, edge) for index, edge in all_edges(probabilities, rules) if edge not in SUSPICION]


def test_speech_starts_after_three_windows_and_ends_after_half_a_second() -> None:
    assert edges([0.0] * 5 + [0.9] * 20 + [0.0] * 30) == [
        (7, Edge.STARTED),
        (27, Edge.PAUSED),
        (40, Edge.ENDED),
    ]


def test_a_click_is_no_speech() -> None:
    assert edges([0.0, 0.9, 0.9, 0.0, 0.9, 0.0]) == []


def test_a_pause_shorter_than_the_stop_does_not_end_it() -> None:
    assert edges([0.9] * 5 + [0.0] * 15 + [0.9] * 5 + [0.0] * 16) == [
        (2, Edge.STARTED),
        (7, Edge.PAUSED),
        (22, Edge.CONTINUED),
        (27, Edge.PAUSED),
        (40, Edge.ENDED),
    ]


def test_a_noise_in_a_pause_is_no_more_than_one_at_the_start() -> None:
    found = edges([0.9] * 5 + [0.0] * 4 + [0.9, 0.9] + [0.0] * 16)
    assert [edge for _, edge in found] == [Edge.STARTED, Edge.PAUSED, Edge.ENDED]


def test_patience_says_how_much_silence_ends_it_and_holds_for_one_utterance() -> None:
    endpointer = Endpointer(EndpointRules())
    for patience_s, windows in ((0.2, 7), (1.5, 47), (None, 16)):
        for _ in range(10):
            endpointer.push(0.9)
        assert endpointer.speaking
        if patience_s is not None:
            endpointer.patience_s = patience_s
        silence = [endpointer.push(0.0) for _ in range(60)]
        assert silence.index(Edge.ENDED) + 1 == windows


def test_speech_is_kept_up_by_less_than_it_takes_to_start_it() -> None:
    assert edges([0.4] * 10) == []
    assert edges([0.9] * 3 + [0.4] * 40) == [(2, Edge.STARTED)]


def test_endless_speech_is_cut() -> None:
    found = edges([0.9] * 100, EndpointRules(longest_s=1.0))
    assert [edge for _, edge in found[:3]] == [Edge.STARTED, Edge.ENDED, Edge.STARTED]
    assert (found[1][0] + 1) * WINDOW_S >= 1.0


def test_endless_speech_goes_on_with_the_very_next_window() -> None:
    found = edges([0.9] * 200, EndpointRules(longest_s=1.0))
    cuts = [index for index, edge in found if edge is Edge.ENDED]
    assert [index for index, edge in found if edge is Edge.STARTED][1:] == [cut + 1 for cut in cuts]


def test_endless_speech_is_cut_between_two_words_if_there_is_such_a_place() -> None:
    rules = EndpointRules(longest_s=3.0)
    assert [edge for index, edge in edges([0.9] * 70 + [0.1] + [0.9] * 5, rules)] == [Edge.STARTED], "not long enough"
    found = edges([0.9] * 85 + [0.1] + [0.9] * 20, rules)
    assert found == [(2, Edge.STARTED), (85, Edge.ENDED), (86, Edge.STARTED)]


def test_speech_that_ends_where_it_was_cut_ends_after_the_usual_silence() -> None:
    found = edges([0.9] * 85 + [0.0] * 40, EndpointRules(longest_s=3.0))
    assert found[1:3] == [(85, Edge.ENDED), (86, Edge.STARTED)]
    assert found[-1] == (100, Edge.ENDED), "half a second after the last word"


@given(st.lists(st.floats(0, 1), max_size=200))
def test_starts_and_ends_alternate(probabilities: list[float]) -> None:
    found = [edge for _, edge in edges(probabilities)]
    kinds = [edge for edge in found if edge in (Edge.STARTED, Edge.ENDED)]
    assert kinds == [Edge.STARTED, Edge.ENDED] * (len(kinds) // 2) + [Edge.STARTED] * (len(kinds) % 2)


def test_a_pause_is_noticed_sooner_where_the_end_is_expected() -> None:
    for patience_s, windows in ((None, 3), (0.608, 2), (0.704, 3), (1.5, 3)):
        endpointer = Endpointer(EndpointRules())
        for _ in range(10):
            endpointer.push(0.9)
        endpointer.patience_s = patience_s
        assert [endpointer.push(0.0) for _ in range(5)].index(Edge.PAUSED) + 1 == windows


@given(st.lists(st.floats(0, 1), max_size=200))
def test_pauses_are_within_utterances_and_alternate_with_their_ends(probabilities: list[float]) -> None:
    before = Edge.ENDED
    allowed = {
        Edge.STARTED: {Edge.ENDED},
        Edge.PAUSED: {Edge.STARTED, Edge.CONTINUED},
        Edge.CONTINUED: {Edge.PAUSED},
        Edge.ENDED: {Edge.STARTED, Edge.PAUSED, Edge.CONTINUED},
    }
    for _, edge in edges(probabilities):
        assert before in allowed[edge]
        before = edge


def test_speech_is_suspected_before_it_has_started() -> None:
    assert all_edges([0.0, 0.9, 0.9, 0.9]) == [(1, Edge.SUSPECTED), (3, Edge.STARTED)]
    assert all_edges([0.0, 0.4, 0.6, 0.6, 0.6]) == [(2, Edge.SUSPECTED), (4, Edge.STARTED)]


def test_a_suspicion_that_comes_to_nothing_is_cleared() -> None:
    assert all_edges([0.9, 0.1, 0.1]) == [(0, Edge.SUSPECTED), (1, Edge.CLEARED)]
    assert all_edges([0.3, 0.3, 0.3]) == [], "not even one"


def test_what_goes_on_without_becoming_speech_is_suspected_once() -> None:
    found = all_edges([0.45] * 40)
    assert [edge for _, edge in found] == [Edge.SUSPECTED, Edge.CLEARED]
    assert found[1][0] - found[0][0] <= 5
    again = all_edges([0.45] * 40 + [0.0, 0.45, 0.45])
    assert [edge for _, edge in again][2:] == [Edge.SUSPECTED]


@given(st.lists(st.floats(0, 1), max_size=200))
def test_every_suspicion_ends(probabilities: list[float]) -> None:
    suspected = False
    for _, edge in all_edges([*probabilities, *[0.0] * 20]):
        assert suspected == (edge is Edge.CLEARED) or edge is Edge.STARTED or not suspected
        suspected = edge is Edge.SUSPECTED
    assert not suspected


def test_the_length_of_an_utterance_and_of_the_silence_after_it_are_told() -> None:
    endpointer = Endpointer(EndpointRules())
    for probability in [0.0] * 10 + [0.9] * 20:
        endpointer.push(probability)
    assert (endpointer.utterance_s, endpointer.silence_s) == (20 * WINDOW_S, 0)
    for _ in range(5):
        endpointer.push(0.0)
    assert (endpointer.utterance_s, endpointer.silence_s) == (20 * WINDOW_S, 5 * WINDOW_S)


def test_a_suspicion_is_told_until_it_is_cleared_or_speech_has_started() -> None:
    endpointer = Endpointer(EndpointRules())
    told = []
    for probability in [0.0, 0.9, 0.0, 0.9, 0.9, 0.9, 0.9]:
        endpointer.push(probability)
        told.append((endpointer.suspecting, endpointer.speaking))
    nothing, suspecting, speaking = (False, False), (True, False), (False, True)
    assert told == [nothing, suspecting, nothing, suspecting, suspecting, speaking, speaking]
