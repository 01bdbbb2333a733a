"""The end of an attack whose connections fail while they are closed."""

from __future__ import annotations

import asyncio

import pytest

from tests.attacks.target import Target


async def test_an_attack_ends_in_time_if_its_connections_fail_while_they_are_closed() -> None:
    target = Target("http://127.0.0.1:1", ("127.0.0.1",), bystander="127.0.0.2", seconds=1)
    visits = 0

    async def visit(address: str) -> None:
        nonlocal visits
        visits += 1
        assert visits == 1, "the attack goes on after its end"
        try:
            await asyncio.sleep(3_600)
        finally:
            raise ConnectionResetError(f"reset by {address}")

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await target.from_each(visit)
    assert target.counts == {"ConnectionResetError": 1}
