from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from voicebot.core.endpoint import WINDOW_S, Edge, Endpointer, EndpointRules


def edges(probabilities: list[float], rules: EndpointRules | None = None) -> list[tuple[int, Edge]]:
    endpointer = Endpointer(rules or EndpointRules())
    return [(index, edge) for index, value in enumerate(probabilities) if (edge := endpointer.push(value)) is not None]


def test_speech_starts_after_three_windows_and_ends_after_half_a_second() -> None:
    assert edges([0.0] * 5 + [0.9] * 20 + [0.0] * 30) == [(7, Edge.STARTED), (40, Edge.ENDED)]


def test_a_click_is_no_speech() -> None:
    assert edges([0.0, 0.9, 0.9, 0.0, 0.9, 0.0]) == []


def test_a_pause_shorter_than_the_stop_does_not_end_it() -> None:
    assert edges([0.9] * 5 + [0.0] * 15 + [0.9] * 5 + [0.0] * 16) == [(2, Edge.STARTED), (40, Edge.ENDED)]


def test_speech_is_kept_up_by_less_than_it_takes_to_start_it() -> None:
    assert edges([0.4] * 10) == []
    assert edges([0.9] * 3 + [0.4] * 40) == [(2, Edge.STARTED)]


def test_endless_speech_is_cut() -> None:
    found = edges([0.9] * 100, EndpointRules(longest_s=1.0))
    assert [edge for _, edge in found[:3]] == [Edge.STARTED, Edge.ENDED, Edge.STARTED]
    assert (found[1][0] - found[0][0]) * WINDOW_S >= 1.0


@given(st.lists(st.floats(0, 1), max_size=200))
def test_starts_and_ends_alternate(probabilities: list[float]) -> None:
    kinds = [edge for _, edge in edges(probabilities)]
    assert kinds == [Edge.STARTED, Edge.ENDED] * (len(kinds) // 2) + [Edge.STARTED] * (len(kinds) % 2)
