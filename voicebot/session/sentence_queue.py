"""The sentences of a reply that wait for the synthesizer."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

from voicebot.dialogue.events import SentenceSkipped
from voicebot.session.mailbox import Mailbox
from voicebot.speech_text.sentences import SentenceBatch


@dataclass(slots=True)
class QueuedSentence:
    """One sentence. A `dropped` one is not spoken, and stays in the queue because sentences are numbered."""

    text: str
    speech: str
    dropped: bool = False


class SentenceQueue:
    """Holds at most `size` sentences. When it is full, `put` waits, or with `drop_oldest` drops the oldest sentence."""

    def __init__(self, reply: int, mailbox: Mailbox, size: int, *, drop_oldest: bool) -> None:
        self._reply, self._mailbox = reply, mailbox
        self._size = size
        self._drop_oldest = drop_oldest
        self._waiting: deque[QueuedSentence] = deque()
        self._ended = False
        self._changed = asyncio.Event()

    async def put(self, batch: SentenceBatch) -> None:
        """Adds a sentence as soon as there is room for it."""
        while self._full():
            if self._drop_oldest:
                dropped = next(each for each in self._waiting if not each.dropped)
                dropped.dropped = True
                self._mailbox.post(SentenceSkipped(self._reply, dropped.text))
            else:
                await self._change()
        self._waiting.append(QueuedSentence(batch.text, batch.speech))
        self._changed.set()

    @property
    def has_room(self) -> bool:
        return not self._full()

    def put_nowait(self, batch: SentenceBatch) -> None:
        """Adds a sentence, even if the queue is full."""
        self._waiting.append(QueuedSentence(batch.text, batch.speech))
        self._changed.set()

    def end(self) -> None:
        """Ends the queue: no more sentences will come."""
        self._ended = True
        self._changed.set()

    async def get(self) -> QueuedSentence | None:
        """Waits for the next sentence, dropped or not. Returns None at the end."""
        while not self._waiting:
            if self._ended:
                return None
            await self._change()
        first = self._waiting.popleft()
        self._changed.set()
        return first

    def _full(self) -> bool:
        return sum(not each.dropped for each in self._waiting) >= self._size

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()
