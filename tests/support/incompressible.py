"""Text that takes as much space when it is compressed."""

from __future__ import annotations

import random

from voicebot.dialogue.history import History, Message, Role

_CHANCE = random.Random(7)


def incompressible(packed_bytes: int) -> History:
    """A message that `imports.pack` makes about so many bytes of."""
    return (Message(Role.USER, "".join(_CHANCE.choices(_CHARACTERS, k=packed_bytes * 8 // 6))),)


_CHARACTERS = [chr(code) for code in range(ord("0"), ord("0") + 64)]
