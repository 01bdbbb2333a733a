"""Tools that remind the user of something: TOOLS=examples/tools/reminders.py.

They show each kind of tool, and a tool that has the bot say something later. The reminders are kept in memory.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from dataclasses import dataclass
from typing import Annotated

from langchain_core.tools import ToolException
from pydantic import Field

from voicebot.agent.conversation import Conversation, ConversationError, current_conversation
from voicebot.agent.tools import confirm, effects, pure

logger = logging.getLogger(__name__)

Minutes = Annotated[float, Field(gt=0, le=60, description="in how many minutes")]


@dataclass(eq=False)
class Reminder:
    text: str
    minutes: float


reminders: dict[str, dict[Reminder, asyncio.Task[None]]] = defaultdict(dict)
"""The reminders of each conversation that are still to come, with the tasks that wait for their time."""


@effects
async def remind(text: str, minutes: Minutes) -> str:
    """Remind the user of something later.

    Args:
        text: what of, in the words that the bot says then, such as "Your tea is ready."
    """
    conversation = current_conversation()
    own, reminder = reminders[conversation.id], Reminder(text, minutes)
    own[reminder] = asyncio.create_task(say_later(conversation, reminder))
    own[reminder].add_done_callback(lambda _: own.pop(reminder))
    return f"In {minutes:g} minutes you will say: {text}"


async def say_later(conversation: Conversation, reminder: Reminder) -> None:
    await asyncio.sleep(reminder.minutes * 60)
    try:
        await conversation.say(reminder.text)
    except ConversationError as error:  # such as a user who has left
        logger.info("a reminder could not be said: %s", error)


@pure
async def list_reminders() -> list[str]:
    """Tell which reminders are still to come."""
    return [f"{each.text} (set for {each.minutes:g} minutes)" for each in reminders[current_conversation().id]]


@confirm({"en": "Shall I forget all reminders?", "de": "Soll ich alle Erinnerungen vergessen?"})
async def forget_reminders() -> str:
    """Forget all reminders."""
    own = reminders[current_conversation().id]
    if not own:
        raise ToolException("There are no reminders.")
    for task in own.values():
        task.cancel()
    return f"Forgot {len(own)} reminders."
