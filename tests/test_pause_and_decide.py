"""Ten thousand conversations by chance, on a simulated clock: machine, verdicts and player together."""

from __future__ import annotations

import pytest

from tests.support.simulation import Simulation

SCRIPTS = 10_000
BLOCKS = 20


@pytest.mark.parametrize("block", range(BLOCKS))
def test_conversations(block: int) -> None:
    pauses = 0
    for seed in range(block * SCRIPTS // BLOCKS, (block + 1) * SCRIPTS // BLOCKS):
        simulation = Simulation(seed)
        try:
            simulation.run()
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
        pauses += simulation.pauses
    assert pauses > 2 * SCRIPTS / BLOCKS, "the user must have spoken over the bot"
