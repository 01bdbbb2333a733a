"""Orders to end: what the clients are told, and that further orders only shorten the end."""

from __future__ import annotations

import pytest

from voicebot.access.close_codes import MOVING, SHUTDOWN, SessionClosed
from voicebot.web.ending import Ending
from voicebot.workers.link import Order


@pytest.mark.parametrize(
    ("orders", "closed", "stopped", "hurried"),
    [
        ([Order.DRAIN], MOVING, False, False),
        ([Order.STOP], MOVING, True, False),
        ([Order.END], SHUTDOWN, True, False),
        ([Order.HURRY], SHUTDOWN, True, True),
        # Whoever was told first that the conversation goes on is told nothing else
        ([Order.DRAIN, Order.STOP], MOVING, True, False),
        ([Order.DRAIN, Order.END], MOVING, True, False),
        ([Order.DRAIN, Order.HURRY], MOVING, True, True),
        # No later order lengthens the end
        ([Order.END, Order.DRAIN], SHUTDOWN, True, False),
        ([Order.STOP, Order.DRAIN], MOVING, True, False),
        ([Order.HURRY, Order.DRAIN], SHUTDOWN, True, True),
    ],
)
def test_the_first_order_decides_what_clients_are_told_and_later_ones_only_shorten_the_end(
    orders: list[Order], closed: SessionClosed, stopped: bool, hurried: bool
) -> None:
    ending = Ending()
    assert not ending.begun.is_set()
    for each in orders:
        ending.obey(each)
    assert ending.begun.is_set()
    assert (ending.closed, ending.stopped.is_set(), ending.hurried.is_set()) == (closed, stopped, hurried)
