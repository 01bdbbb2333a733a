"""The latency of an answer, divided into its steps."""

from __future__ import annotations

from typing import Any

import pytest

from voicebot.dialogue import timings


def steps(**spans: tuple[int, int]) -> list[dict[str, Any]]:
    return [
        {"name": name.replace("_", " "), "from_ms": from_ms, "to_ms": to_ms} for name, (from_ms, to_ms) in spans.items()
    ]


def response_budget(**spans: tuple[int, int]) -> dict[str, Any]:
    result = timings.response_budget(steps(**spans))
    assert result is not None
    return result


SLOW_RECOGNISER = {
    "end_of_turn": (0, 777),
    "final_text": (0, 1780),
    "first_token": (1780, 1853),
    "first_sentence": (1853, 1909),
    "first_audio": (1909, 1929),
    "first_frame": (1929, 1954),
}

EAGER = {
    "end_of_turn": (0, 610),
    "final_text": (0, 250),
    "first_token": (252, 400),
    "first_sentence": (400, 430),
    "first_audio": (430, 450),
    "first_frame": (610, 618),
}
"""The steps of a preemptive reply that was ready before the end of the turn."""


def test_a_slow_recogniser_is_named_as_the_longest_wait() -> None:
    result = response_budget(**SLOW_RECOGNISER)
    assert (result["gap_ms"], result["limit_ms"]) == (1954, 800)
    assert (result["most"], result["stage"]) == ("final text", "stt")
    assert (result["own_ms"], result["own_limit_ms"]) == (25, 40)


def test_work_during_the_endpointing_delay_takes_no_extra_time() -> None:
    result = response_budget(**EAGER)
    assert (result["gap_ms"], result["most"], result["stage"], result["own_ms"]) == (618, "end of turn", None, 8)


@pytest.mark.parametrize(
    ("slow", "stage"),
    [("first_token", "llm"), ("first_sentence", "llm"), ("first_audio", "tts"), ("final_text", "stt")],
)
def test_the_slowest_step_is_named_with_its_engine_stage(slow: str, stage: str) -> None:
    """Every step takes 100 ms, except for one of 900 ms."""
    at_ms, spans = 100, {"end_of_turn": (0, 100)}
    for name in ("final_text", "first_token", "first_sentence", "first_audio", "first_frame"):
        from_ms = 0 if name == "final_text" else at_ms
        at_ms = from_ms + (900 if name == slow else 100)
        spans[name] = (from_ms, at_ms)
    result = response_budget(**spans)
    assert (result["most"], result["stage"], result["own_ms"]) == (slow.replace("_", " "), stage, 100)


def test_time_between_two_steps_counts_as_the_bots_own() -> None:
    """The reply starts 300 ms after the words are known and the turn has ended. No engine causes that delay."""
    late = EAGER | {"first_token": (910, 1000), "first_sentence": (1000, 1001), "first_audio": (1001, 1002)}
    result = response_budget(**late | {"first_frame": (1002, 1004)})
    assert (result["most"], result["own_ms"]) == ("end of turn", 302)


def test_the_bots_own_step_can_be_named_as_the_longest() -> None:
    result = response_budget(end_of_turn=(0, 100), final_text=(0, 100), first_token=(900, 910), first_frame=(910, 1000))
    assert (result["most"], result["stage"], result["own_ms"]) == ("first frame", None, 890)


@pytest.mark.parametrize("spans", [SLOW_RECOGNISER, EAGER], ids=["one after another", "preemptive"])
def test_longer_engine_times_lengthen_the_gap_but_not_the_bots_own_share(spans: dict[str, tuple[int, int]]) -> None:
    """The time of an engine never counts as the bot's own, and never counts twice."""
    longer = {name: (from_ms + 500 * (from_ms > 0), to_ms + 500) for name, (from_ms, to_ms) in spans.items()}
    assert response_budget(**longer)["own_ms"] == response_budget(**spans)["own_ms"]
    assert response_budget(**longer)["gap_ms"] == response_budget(**spans)["gap_ms"] + 500


def test_steps_done_before_the_user_falls_silent_take_no_time() -> None:
    spans = dict.fromkeys(EAGER, (0, 0)) | {"end_of_turn": (0, 600), "first_frame": (600, 607)}
    result = response_budget(**spans)
    assert (result["gap_ms"], result["most"], result["own_ms"]) == (607, "end of turn", 7)


def test_a_turn_whose_steps_take_no_time_has_a_gap_of_zero() -> None:
    """A typed question may be answered within the same millisecond."""
    result = response_budget(**dict.fromkeys(EAGER, (0, 0)))
    assert (result["gap_ms"], result["most"], result["stage"], result["own_ms"]) == (0, "first frame", None, 0)


def test_a_turn_is_not_judged_before_its_answer_is_heard() -> None:
    assert timings.response_budget([]) is None
    assert timings.response_budget(steps(end_of_turn=(0, 500), final_text=(0, 400))) is None


def test_every_step_but_the_end_of_turn_and_the_first_frame_belongs_to_an_engine() -> None:
    assert [step.name for step in timings.STEPS if step.name not in timings.STAGES] == ["end of turn", timings.OWN]
