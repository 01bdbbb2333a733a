"""Text that compression does not shorten."""

from __future__ import annotations

import random

from voicebot.dialogue.history import History, Message, Role

_CHANCE = random.Random(7)


def incompressible(packed_bytes: int) -> History:
    """Returns a history of one message that takes about `packed_bytes` bytes when `imports.pack` has compressed it."""
    return (Message(Role.USER, "".join(_CHANCE.choices(_CHARACTERS, k=packed_bytes * 8 // 6))),)


_CHARACTERS = [chr(code) for code in range(ord("0"), ord("0") + 64)]
