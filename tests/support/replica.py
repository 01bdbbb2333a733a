"""Stored conversations of one server, and the states that are stored in them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from pydantic import SecretStr

from voicebot.dialogue.history import History, heard, said
from voicebot.dialogue.reply_state import Reply
from voicebot.dialogue.state import State
from voicebot.runtime.clock import Clock
from voicebot.settings import config
from voicebot.storage.conversation import StoredConversation
from voicebot.storage.conversations import Conversations
from voicebot.storage.database import Database
from voicebot.workers.place import WorkerPlace


@asynccontextmanager
async def replica(
    url: str, clock: Clock | None = None, place: WorkerPlace | None = None, **settings: Any
) -> AsyncIterator[Conversations]:
    """Yields the conversations of one server, or of the worker at a place. Several servers on one URL are replicas."""
    conversations = Conversations(config.load(database_url=SecretStr(url), **settings), clock, place)
    await conversations.start()
    try:
        yield conversations
    finally:
        await conversations.close()


def talk(*turns: str) -> History:
    """Returns a history in which the user and the bot speak in turn."""
    history: History = ()
    for place, text in enumerate(turns):
        history = heard(history, text) if place % 2 else said(history, text)
    return history


def state(*turns: str, telling: str = "", words: int = 0) -> State:
    """Returns the state after these turns. The bot is saying `telling`, of which `words` words were heard."""
    reply = Reply(1, sentences=(telling,), started=True, words=words) if telling else None
    return State(history=talk(*turns), reply=reply)


async def stored_history(conversations: Conversations | Database, id: str) -> History | None:
    """Returns the stored messages of a conversation; None if there is no such conversation."""
    record = await conversations.read(id)
    return None if record is None else record.history


async def goes_on(conversation: StoredConversation, now: State) -> None:
    """Moves the session to this state and waits until the conversation has tried to store it."""
    conversation.keep(now, at_once=True)
    await conversation.flush()
