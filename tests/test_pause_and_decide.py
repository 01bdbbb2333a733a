"""Ten thousand conversations by chance, on a simulated clock: machine, verdicts and player together."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from tests.support.simulation import Simulation

SCRIPTS = 10_000
BLOCK = 250


def converse(first: int) -> int:
    """Plays a block of seeds; how often the user spoke over the bot."""
    pauses = 0
    for seed in range(first, first + BLOCK):
        simulation = Simulation(seed)
        try:
            simulation.run()
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
        pauses += simulation.pauses
    return pauses


@pytest.mark.timeout(600)
def test_ten_thousand_conversations() -> None:
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as processes:
        pauses = sum(processes.map(converse, range(0, SCRIPTS, BLOCK)))
    assert pauses > 2 * SCRIPTS, "the user must have spoken over the bot"
