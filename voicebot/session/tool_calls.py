"""The calls of tools with effects: they belong to the application, and outlive replies and sessions."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from typing import Any, Protocol

from voicebot.agent.tools.calls import ended
from voicebot.dialogue.events import ConfirmationAsked, ToolCallBegun, ToolCallEnded
from voicebot.dialogue.tool_calls import CallRecord, CallStatus, ConfirmationRequest, ToolTag
from voicebot.engines.conversation import Conversation
from voicebot.runtime.limits import RUNNING_CALLS_PER_CONVERSATION
from voicebot.session.mailbox import Mailbox

logger = logging.getLogger(__name__)

CLOSE_S = 3.0
"""How long running calls may go on when the bot shuts down. Container runtimes stop a process after ten seconds, within
which the conversations have to be stored, too."""

NOTED_S = 2.0
"""How long the end of a call that was cancelled at the shutdown may take to be stored."""

TOO_MANY = "Error: too many tools are still working. Try again when one of them has ended."
STOPPED = "Error: the bot was stopped while the tool worked. It is not known whether it has done its work."
"""What the model is told."""


class CallLog(Protocol):
    """Where the begin and the end of a conversation's calls are noted, also when the session has gone."""

    def call_begun(self, call: str) -> None:
        """Notes that this process works on the call with this identifier."""
        ...

    async def call_ended(self, ended: ToolCallEnded) -> None:
        """Tells the conversation's session how a call has ended; without a session, stores it."""
        ...


class CallCounter(Protocol):
    """Counts the calls of tools."""

    def count_call(self, tag: ToolTag, status: CallStatus, seconds: float) -> None: ...


@dataclass(frozen=True, slots=True)
class SessionCallLog:
    """The log of a conversation that ends with its session."""

    mailbox: Mailbox

    def call_begun(self, call: str) -> None:
        """Does nothing, as no other session goes on with the conversation."""

    async def call_ended(self, ended: ToolCallEnded) -> None:
        self.mailbox.post(ended)


class RunningCalls:
    """Runs the calls of all conversations to their ends, whatever happens to the replies that have made them.

    A conversation may have `most` of them under way.
    """

    def __init__(self, most: int = RUNNING_CALLS_PER_CONVERSATION) -> None:
        self._most = most
        self._conversations: dict[asyncio.Task[CallRecord], str] = {}
        """The tasks of the calls under way, each with its conversation."""
        self._closing = False
        self._counter: CallCounter | None = None

    def count_calls(self, counter: CallCounter) -> None:
        """Has the counter count each call of a tool that ends from now on."""
        self._counter = counter

    def count_call(self, tag: ToolTag, status: CallStatus, seconds: float) -> None:
        """Counts a call of any tool, which may be pure and not have been run here."""
        if self._counter is not None:
            self._counter.count_call(tag, status, seconds)

    @property
    def under_way(self) -> int:
        """How many calls are under way."""
        return len(self._conversations)

    def has_room(self, conversation: str) -> bool:
        """Whether another call of this conversation may begin."""
        return not self._closing and list(self._conversations.values()).count(conversation) < self._most

    async def run(
        self, conversation: str, log: CallLog, call: CallRecord, effect: Coroutine[Any, Any, str], limit_s: float
    ) -> CallRecord:
        """Runs a call for at most `limit_s` seconds; returns how it ended. Cancelling this leaves the call running."""
        task = asyncio.create_task(_run(log, call, effect, limit_s), name=f"tool {call.tool}")
        self._conversations[task] = conversation
        task.add_done_callback(self._conversations.pop)
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Waits a few seconds for running calls; cancels the others, of which nobody knows how they end."""
        self._closing = True
        try:
            if self._conversations:
                await asyncio.wait(self._conversations, timeout=CLOSE_S)
        finally:  # a server in a hurry cancels the wait
            for task in (left := tuple(self._conversations)):
                logger.warning("%s is stopped, as the bot shuts down", task.get_name())
                task.cancel()
            if left:
                await asyncio.wait(left, timeout=NOTED_S)


async def _run(log: CallLog, call: CallRecord, effect: Coroutine[Any, Any, str], limit_s: float) -> CallRecord:
    try:
        record = await ended(call, effect, limit_s)
    except asyncio.CancelledError:  # the bot shuts down
        record = replace(call, status=CallStatus.UNKNOWN, result=STOPPED)
    finally:
        effect.close()  # if it was cancelled before it began
    try:
        await log.call_ended(ToolCallEnded(call.id, record.status, record.result))
    except Exception:  # boundary: a database that fails changes nothing about how the call ended
        logger.exception("how a call of the tool %s ended could not be stored", call.tool)
    return record


@dataclass(frozen=True, slots=True)
class ReplyCalls:
    """The calls of a conversation, as one reply sees them and adds to them; see `ConversationCalls`."""

    reply: int
    conversation: Conversation
    records: tuple[CallRecord, ...]
    confirmed: CallRecord | None
    mailbox: Mailbox
    log: CallLog
    running: RunningCalls

    async def run(self, call: CallRecord, effect: Coroutine[Any, Any, str], limit_s: float) -> CallRecord:
        if not self.running.has_room(self.conversation.id):
            effect.close()
            return replace(call, status=CallStatus.FAILED, result=TOO_MANY)
        self.log.call_begun(call.id)
        self.mailbox.post(ToolCallBegun(self.reply, call))
        return await self.running.run(self.conversation.id, self.log, call, effect, limit_s)

    def ask(self, request: ConfirmationRequest) -> None:
        self.mailbox.post(ConfirmationAsked(self.reply, request))

    def count_call(self, tag: ToolTag, status: CallStatus, seconds: float) -> None:
        self.running.count_call(tag, status, seconds)
