"""Conversations brought along to a server that keeps none."""

from __future__ import annotations

from voicebot.core.history import Message, Role
from voicebot.store.held import HELD_S, MAX_HELD, Held

TALK = (Message(Role.USER, "hello"),)


def test_they_are_few_and_go_after_a_while() -> None:
    now_s = 0.0
    held = Held(lambda: now_s)
    for number in range(MAX_HELD + 1):
        held.put(str(number), TALK)
    assert held.find("0") is None
    assert held.find("1") == held.find(str(MAX_HELD)) == TALK
    held.drop("1")
    held.drop("1")
    assert held.find("1") is None
    now_s = HELD_S
    held.put("late", TALK)
    assert held.find("2") == TALK
    now_s += 1
    assert held.find("2") is None
    assert held.find("late") == TALK
