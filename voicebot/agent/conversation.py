"""The conversation that a tool or a graph works for: whose it is, what was heard in it, and how to say something in it.

from voicebot.agent.conversation import current_conversation

@effects
async def book_table(people: int) -> str:
    "Book a table."
    await book(guest=current_conversation().id, people=people)
    return "booked"
"""

from __future__ import annotations

from contextvars import ContextVar

from voicebot.engines.conversation import Conversation, ConversationError, Handover, HandoverEnd

__all__ = [
    "Conversation",
    "ConversationError",
    "Handover",
    "HandoverEnd",
    "current_conversation",
    "set_current_conversation",
]

_current: ContextVar[Conversation] = ContextVar("voicebot_conversation")


def current_conversation() -> Conversation:
    """Returns the conversation that the running tool or node of a graph works for.

    It works in synchronous tools and nodes, too, which run in threads, and in tasks that a tool starts. Raises
    LookupError elsewhere, for example in a tool that a test calls.
    """
    try:
        return _current.get()
    except LookupError:
        raise LookupError("No reply is being made here, so there is no current conversation.") from None


def set_current_conversation(conversation: Conversation) -> None:
    """Makes `conversation` the current one of the task that runs now, and of the tasks and threads that it starts."""
    _current.set(conversation)
