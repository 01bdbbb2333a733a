"""Asks the end-of-turn model about the pauses of one session."""

from __future__ import annotations

import asyncio

from voicebot.audio.sound import Samples
from voicebot.dialogue.events import TurnModelAnswered
from voicebot.engines.protocols import EndOfTurnModel
from voicebot.session.mailbox import Mailbox

HEARD_S = 8.0
"""How much of an utterance the model hears."""


class TurnQuestion:
    """The question about the pause of now. At most one is open, and its answer is posted if the pause still lasts."""

    def __init__(self, model: EndOfTurnModel, mailbox: Mailbox) -> None:
        self._model, self._mailbox = model, mailbox
        self._asking: asyncio.Task[None] | None = None

    def ask(self, utterance: int, pause: int, samples: Samples) -> None:
        """Asks about a pause that has just begun. `samples` are the utterance so far: int16 at 16 kHz."""
        self.drop()
        self._asking = asyncio.create_task(self._ask(utterance, pause, samples), name=f"end of turn {utterance}")

    def drop(self) -> None:
        """Drops the question, as the pause is over."""
        if self._asking is not None:
            self._asking.cancel()

    async def aclose(self) -> None:
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait({self._asking})

    async def _ask(self, utterance: int, pause: int, samples: Samples) -> None:
        probability = await self._model.probability(samples)
        if probability is not None:
            self._mailbox.post(TurnModelAnswered(utterance, pause, probability))
