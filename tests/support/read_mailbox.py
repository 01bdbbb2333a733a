"""A mailbox whose inputs a test reads or handles at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from voicebot.dialogue.events import Input
from voicebot.session.mailbox import Mailbox


class ReadMailbox(Mailbox):
    """Passes each posted input to `take`."""

    def __init__(self, take: Callable[[Any], object] = lambda _: None) -> None:
        super().__init__()
        self._take = take

    def post(self, input: Input) -> None:
        self._take(input)
