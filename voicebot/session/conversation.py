"""The conversation of a session, as tools and graphs see it during one reply."""

from __future__ import annotations

import asyncio
import threading
from hashlib import sha256

from voicebot.dialogue.history import History
from voicebot.engines.conversation import ConversationError, TextError
from voicebot.engines.protocols import Style
from voicebot.runtime.characters import whole_characters
from voicebot.session.invitations import Invitations, PersonHandover

ID_CHARS = 32

DISCARDED = "The reply was discarded before it was needed, so nothing is said or done for it."
NOT_OVER = "The user's turn is not over yet, so nothing can be said."
"""What the model is told."""


def conversation_key(secret: str) -> str:
    """Returns what tools call a conversation: a hash, as whoever knows its secret name can read and delete it."""
    return sha256(f"voicebot conversation {secret}".encode()).hexdigest()[:ID_CHARS]


def checked_text(text: str, most_chars: int) -> str:
    """Returns the text, in whole characters. Raises TextError if it is empty or too long to be said."""
    if not text.strip():
        raise TextError("text: it is empty")
    if len(text) > most_chars:
        raise TextError(f"text: {len(text)} characters; {most_chars} are allowed")
    return whole_characters(text)


class SessionConversation:
    """A `Conversation`, for the reply to `history` that is made in `style`. It outlives that reply and its session.

    Nothing is said and nobody is invited before the reply is `wanted`, nor ever if it has ended without that. A text
    has at most `most_chars` characters.
    """

    def __init__(
        self,
        id: str,
        history: History,
        style: Style,
        wanted: asyncio.Event,
        invitations: Invitations,
        most_chars: int,
    ) -> None:
        self._id, self._history, self._style = id, history, style
        self._wanted, self._invitations, self._most_chars = wanted, invitations, most_chars
        self._ended = asyncio.Event()
        self._loop, self._loop_thread = asyncio.get_running_loop(), threading.get_ident()

    @property
    def id(self) -> str:
        return self._id

    @property
    def language(self) -> str:
        return self._style.language

    @property
    def persona(self) -> str:
        return self._style.persona

    @property
    def history(self) -> History:
        return self._history

    def reply_ended(self) -> None:
        """Notes that the reply has ended. If it is not wanted by now, it never will be."""
        self._ended.set()

    async def say(self, text: str) -> None:
        text = checked_text(text, self._most_chars)
        await self._until_wanted()
        await self._invitations.say(self._id, text)

    def say_from_thread(self, text: str) -> None:
        if threading.get_ident() == self._loop_thread:
            raise RuntimeError("This is not a thread of its own: await `say` instead.")
        if not self._wanted.is_set():
            raise ConversationError(DISCARDED if self._ended.is_set() else NOT_OVER)
        asyncio.run_coroutine_threadsafe(self.say(text), self._loop).result()

    async def invite(self) -> str:
        await self._until_wanted()
        return self._invitations.invite(self._id)

    async def hand_over(self) -> PersonHandover:
        await self._until_wanted()
        return self._invitations.hand_over(self._id)

    async def _until_wanted(self) -> None:
        """Waits until the reply is wanted. Raises ConversationError if it ends without that."""
        if self._wanted.is_set():
            return
        waits = [asyncio.create_task(event.wait()) for event in (self._wanted, self._ended)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()
        if not self._wanted.is_set():
            raise ConversationError(DISCARDED)
