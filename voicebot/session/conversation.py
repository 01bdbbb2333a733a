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

    Nothing is said and nobody is invited before the reply is `wanted`. A text has at most `most_chars` characters.
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

    async def say(self, text: str) -> None:
        text = checked_text(text, self._most_chars)
        await self._wanted.wait()
        self._invitations.say(self._id, text)

    def say_from_thread(self, text: str) -> None:
        if threading.get_ident() == self._loop_thread:
            raise RuntimeError("This is not a thread of its own: await `say` instead.")
        if not self._wanted.is_set():
            raise ConversationError("The user's turn is not over yet, so nothing can be said.")
        asyncio.run_coroutine_threadsafe(self.say(text), self._loop).result()

    async def invite(self) -> str:
        await self._wanted.wait()
        return self._invitations.invite(self._id)

    async def hand_over(self) -> PersonHandover:
        await self._wanted.wait()
        return self._invitations.hand_over(self._id)
