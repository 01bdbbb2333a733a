"""Text that compression does not shorten."""

from __future__ import annotations

import base64
import random

from voicebot.dialogue.history import History, Message, Role

_CHANCE = random.Random(7)


def incompressible(packed_bytes: int) -> History:
    """Returns a history of one message that takes about `packed_bytes` bytes when `imports.pack` has compressed it."""
    return (Message(Role.USER, base64.b64encode(_CHANCE.randbytes(packed_bytes)).decode()),)
