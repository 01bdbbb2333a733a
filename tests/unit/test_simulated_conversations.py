"""A thousand random conversations on a simulated clock, which test machine, verdicts and player together."""

from __future__ import annotations

import pytest

from tests.support.simulation import Simulation

SCRIPTS = 1_000
BLOCK = 250


@pytest.mark.no_cover  # measuring coverage would take three times as long and find nothing new
@pytest.mark.parametrize("first", range(0, SCRIPTS, BLOCK))
def test_random_conversations_lose_no_sound_and_no_words_and_always_come_to_rest(first: int) -> None:
    pauses = wrong_starts = 0
    for seed in range(first, first + BLOCK):
        simulation = Simulation(seed)
        try:
            simulation.run()
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
        pauses += simulation.pauses
        wrong_starts += simulation.wrong_starts
    assert pauses > BLOCK, "the users must have spoken over the bot"
    assert wrong_starts, "the users must have gone on with a message after the bot had begun to answer"
