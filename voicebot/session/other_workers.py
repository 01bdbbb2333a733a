"""Conversations whose session is in another worker than their invitations, or than a tool that still works for them.

Each worker tells the others which conversations its sessions carry. For them such a session is a `RemoteSession`.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path

from pydantic import BaseModel

from voicebot.dialogue.history import Message, Role
from voicebot.engines.conversation import TooManyTextsError, UserAwayError
from voicebot.workers.siblings import SiblingAnswer, SiblingError, Siblings

logger = logging.getLogger(__name__)

AWAY = "The user is not connected just now."
TOO_MANY = "Too many texts wait to be said already."

MAX_UNSENT = 1_000
"""How many notes to siblings wait. Then the oldest is dropped, as its receiver has been silent for long."""

CLOSE_S = 1.0
"""How long the end of a worker waits until its siblings know that the bot answers again instead of a person."""

Note = Callable[[], Awaitable[object]]


class Sender(BaseModel):
    """Names the worker that sends a note, by the name of its socket."""

    socket: str


class TextToSay(BaseModel):
    """What the bot shall say."""

    text: str


class HeardMessage(BaseModel):
    """What the user said or heard while a person answers."""

    role: Role
    text: str
    interrupted: bool


class OtherWorkers:
    """Tells the siblings what happens to the conversations of this worker: in order, and in the background."""

    def __init__(self, siblings: Siblings) -> None:
        self._siblings = siblings
        self._unsent: deque[Note] = deque(maxlen=MAX_UNSENT)
        self._sending: asyncio.Task[None] | None = None

    def session_began(self, conversation: str) -> None:
        self._tell_all("PUT", f"/conversations/{conversation}/session")

    def session_ended(self, conversation: str) -> None:
        self._tell_all("DELETE", f"/conversations/{conversation}/session")

    def cleared(self, conversation: str) -> None:
        self._tell_all("DELETE", f"/conversations/{conversation}/invitations")

    def pass_message(self, conversation: str, message: Message, sibling: Path, on_loss: Callable[[], None]) -> None:
        """Passes on what the person is to read whom a sibling has let in. Calls `on_loss` if there is none any more."""
        heard = HeardMessage(role=message.role, text=message.text, interrupted=message.interrupted)

        async def send() -> None:
            try:
                path = f"/conversations/{conversation}/messages"
                is_lost = (await self._siblings.ask(sibling, "POST", path, content=heard)).status == 404
            except SiblingError as error:
                is_lost = not error.slow
            if is_lost:
                on_loss()

        self._enqueue(send)

    def remote_session(self, conversation: str, sender: Sender) -> RemoteSession:
        """Returns the session of a conversation that a sibling carries."""
        return RemoteSession(conversation, self.socket_of(sender), self._siblings, self._enqueue)

    def socket_of(self, sender: Sender) -> Path:
        return self._siblings.socket_named(sender.socket)

    async def close(self) -> None:
        """Tells what is still to be told, within `CLOSE_S`."""
        if self._sending is not None:
            await asyncio.wait({self._sending}, timeout=CLOSE_S)
            self._sending.cancel()

    def _tell_all(self, method: str, path: str) -> None:
        if self._siblings.sockets:
            sender = Sender(socket=self._siblings.own_name)
            self._enqueue(lambda: self._siblings.ask_all(method, path, content=sender))

    def _enqueue(self, note: Note) -> None:
        self._unsent.append(note)
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send_all(), name="tell the other workers")

    async def _send_all(self) -> None:
        while self._unsent:
            await self._unsent.popleft()()


class RemoteSession:
    """The session of a conversation in a sibling, in which something can be said."""

    def __init__(self, conversation: str, sibling: Path, siblings: Siblings, enqueue: Callable[[Note], None]) -> None:
        self.conversation_key, self.sibling = conversation, sibling
        self._siblings, self._enqueue = siblings, enqueue

    async def say(self, text: str) -> None:
        """Says the text as soon as nobody speaks. Raises ConversationError."""
        try:
            answer = await self._ask("POST", "texts", TextToSay(text=text))
        except SiblingError:
            raise UserAwayError(AWAY) from None
        if answer.status == 429:
            raise TooManyTextsError(TOO_MANY)
        if answer.status != 202:
            raise UserAwayError(AWAY)

    def set_handed_over(self, *, to_person: bool) -> None:
        """Lets a person answer from now on, or the bot."""
        method, sender = "PUT" if to_person else "DELETE", Sender(socket=self._siblings.own_name)

        async def send() -> None:
            try:
                await self._ask(method, "handover", sender)
            except SiblingError as error:
                logger.warning("another worker could not be told who answers: %s", error)

        self._enqueue(send)

    async def lives(self) -> bool:
        """Returns False if the session has ended, or the process that carries it."""
        try:
            return (await self._ask("GET", "session")).status == 204
        except SiblingError as error:
            return error.slow

    async def _ask(self, method: str, what: str, content: BaseModel | None = None) -> SiblingAnswer:
        return await self._siblings.ask(
            self.sibling, method, f"/conversations/{self.conversation_key}/{what}", content=content
        )
