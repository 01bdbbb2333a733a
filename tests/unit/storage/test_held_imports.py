"""Imports on a server that stores no conversations."""

from __future__ import annotations

from tests.support.incompressible import incompressible
from voicebot.dialogue.history import Message, Role
from voicebot.runtime.limits import HELD_S, UNUSED_BYTES, UNUSED_BYTES_PER_ADDRESS
from voicebot.storage.held_imports import HeldImports
from voicebot.storage.imports import pack

TALK = (Message(Role.USER, "hello"), Message(Role.ASSISTANT, "Hi.", interrupted=True))


async def test_an_import_is_gone_after_an_hour_or_when_dropped() -> None:
    now_s = 0.0
    held = HeldImports(lambda: now_s)
    assert held.put("early", "a", pack(TALK))
    assert held.put("dropped", "a", pack(TALK))
    assert await held.find("early") == await held.find("dropped") == TALK
    held.drop("dropped")
    held.drop("dropped")
    assert await held.find("dropped") is None
    now_s = HELD_S
    held.put("late", "a", pack(TALK))
    assert await held.find("early") == TALK
    now_s += 1
    assert await held.find("early") is None
    assert await held.find("late") == TALK
    held.close()


async def test_imports_of_one_address_stay_within_its_share_and_evict_no_other_address() -> None:
    held = HeldImports(lambda: 0.0)
    assert held.put("honest", "honest", pack(TALK))
    for number in range(100):
        assert held.put(f"greedy {number}", "greedy", pack(incompressible(90_000)))
    found = [number for number in range(100) if await held.find(f"greedy {number}") is not None]
    assert found == [98, 99]
    assert await held.find("honest") == TALK
    held.close()


async def test_imports_of_many_addresses_together_stay_within_the_total_space() -> None:
    held = HeldImports(lambda: 0.0)
    assert held.put("honest", "honest", pack(TALK))
    imported = {str(number): pack(incompressible(50_000)) for number in range(100)}
    for name, each in imported.items():
        held.put(name, name, each)
    used = sum([len(each.packed) for name, each in imported.items() if await held.find(name) is not None])
    assert UNUSED_BYTES_PER_ADDRESS < used <= UNUSED_BYTES
    assert await held.find("honest") == TALK
    held.close()
