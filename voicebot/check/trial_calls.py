"""The conversation of a trial: nothing is done in it, so that a check has no effects outside."""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from voicebot.dialogue.history import History
from voicebot.dialogue.tool_calls import CallRecord, CallStatus, ConfirmationRequest, ToolTag
from voicebot.engines.conversation import ConversationError
from voicebot.engines.protocols import Style

NOT_IN_A_CHECK = "Error: the tool was not called, because this is only a check."
"""What a model is told that calls a tool with effects."""


class TrialConversation:
    """A conversation that nobody hears."""

    def __init__(self, style: Style, history: History) -> None:
        self.id = "check"
        self.language = style.language
        self.persona = style.persona or ""
        self.history = history

    async def say(self, text: str) -> None:
        self.say_from_thread(text)

    def say_from_thread(self, text: str) -> None:
        """Says nothing."""

    async def invite(self) -> NoReturn:
        raise ConversationError("This is only a check.")

    async def hand_over(self) -> NoReturn:
        raise ConversationError("This is only a check.")


@dataclass(frozen=True, slots=True)
class TrialCalls:
    """Makes no calls with effects."""

    conversation: TrialConversation
    records: tuple[CallRecord, ...] = ()
    confirmed: CallRecord | None = None

    async def run(self, call: CallRecord, effect: Coroutine[Any, Any, str], limit_s: float) -> CallRecord:
        effect.close()
        return replace(call, status=CallStatus.FAILED, result=NOT_IN_A_CHECK)

    def ask(self, request: ConfirmationRequest) -> None:
        """Does nothing: the question is the answer of the trial."""

    def count_call(self, tag: ToolTag, status: CallStatus, seconds: float) -> None:
        """Counts nothing."""
