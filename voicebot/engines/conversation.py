"""What tools and graphs see of the conversation that they work for, and what they can do in it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from enum import StrEnum
from typing import Protocol

from voicebot.dialogue.history import History, Message


class HandoverEnd(StrEnum):
    """Why a person's part in a conversation has ended."""

    GIVEN_BACK = "given back"
    """The bot answers again, as the person or the program that handed it over wants it."""
    CLEARED = "cleared"
    """The user began a new conversation."""
    LEFT = "left"
    """The user has left."""


class ConversationError(Exception):
    """What was asked of a conversation can't be done now. The text says why in words that a model may repeat."""


class TextError(ConversationError):
    """A text can't be said, as it is empty or too long."""


class UserAwayError(ConversationError):
    """The user has left, or their page is just reconnecting."""


class TooManyTextsError(ConversationError):
    """Too many texts wait to be said, or they come too fast."""


class HandedOverError(ConversationError):
    """The conversation has been handed over to a person already."""


class Handover(Protocol):
    """A conversation that a person has taken over. While it lasts, the bot answers nothing by itself.

    Iterating over it yields what the user says and what the user hears from now on, message by message, until the
    handover has ended. Messages that nobody has read for long are dropped, the oldest first.
    """

    @property
    def say_url(self) -> str:
        """The address to which the person posts what the bot shall say; it ends with the handover."""
        ...

    @property
    def ended(self) -> HandoverEnd | None:
        """Why the handover has ended; None while it lasts."""
        ...

    def __aiter__(self) -> AsyncIterator[Message]: ...

    def end(self) -> None:
        """Gives the conversation back to the bot."""
        ...


class Conversation(Protocol):
    """The conversation of one user, as tools and graphs see it during a reply, and after it.

    If the reply is discarded before it was wanted, nothing can be said in its name: methods raise ConversationError.
    """

    @property
    def id(self) -> str:
        """Identifies the conversation: the same after a reload of the page, different for each user, and no secret."""
        ...

    @property
    def language(self) -> str:
        """The code of the user's language, such as `en`."""
        ...

    @property
    def persona(self) -> str:
        """The name of the persona that answers."""
        ...

    @property
    def history(self) -> History:
        """What was said and heard before the reply; the last message is the one that it answers."""
        ...

    async def say(self, text: str) -> None:
        """Has the bot say `text` as a reply of its own, once nobody speaks and no reply is under way.

        It returns as soon as the text waits for that, and first waits until the reply is wanted. What the user hears of
        the text gets into the history. Raises ConversationError.
        """
        ...

    def say_from_thread(self, text: str) -> None:
        """Does the same from a thread, such as that of a synchronous tool with effects. Raises ConversationError."""
        ...

    async def invite(self) -> str:
        """Returns an address to which a program or a person outside can post what the bot shall say here.

        Everybody who knows the address can do so until the conversation ends. Raises ConversationError.
        """
        ...

    async def hand_over(self) -> Handover:
        """Lets a person take the conversation over. The reply that is under way is still said to its end.

        The user is not asked whether they are still there meanwhile. Raises ConversationError.
        """
        ...
