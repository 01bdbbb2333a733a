"""How the call of a tool ends, and what the model is told of it."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import string
from collections.abc import Coroutine, Mapping
from dataclasses import replace
from typing import Any, NoReturn

from langchain_core.messages import ToolMessage
from langchain_core.tools import ToolException
from pydantic import ValidationError

from voicebot.agent.loading import where_it_failed
from voicebot.dialogue.tool_calls import CallRecord, CallStatus, ConfirmationRequest, ToolTag
from voicebot.engines.conversation import ConversationError
from voicebot.runtime.characters import whole_characters
from voicebot.runtime.contained import contained

logger = logging.getLogger(__name__)

RESULT_CHARS = 8_000
"""The most characters of a result that the model sees. They are some 2,000 tokens, a third of the usual history."""

ID_CHARS = 9
"""The length of a call's identifier. Mistral's models accept only nine letters and digits; all others accept them."""

NOTHING = "The tool has returned nothing."
"""What the model is told instead of an empty text, which some services refuse."""

FAILED = "Error: the tool failed."
"""What the model learns of an error that was not written for it, which may hold secrets."""


class ToolFailedError(Exception):
    """A tool failed. The message is written for the model."""


def new_record(tool: str, arguments: Mapping[str, Any]) -> CallRecord:
    """Returns the record of a call that begins now."""
    id = "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(ID_CHARS))
    return CallRecord(id, tool, whole_characters(json.dumps(arguments, ensure_ascii=False, default=str)))


def too_late(limit_s: float) -> str:
    """Returns what the model is told of a tool with effects that gave no result within its time limit.

    Nothing can stop a function that runs in a thread, or what a call has begun at a server.
    """
    unknown = "It is not known whether it has done its work or still does it."
    return f"Error: the tool gave no result within {limit_s:g} s. {unknown}"


async def ended(call: CallRecord, effect: Coroutine[Any, Any, str], limit_s: float) -> CallRecord:
    """Awaits the effect; returns how the call ended. Raises only CancelledError, if it is cancelled itself."""
    try:
        async with asyncio.timeout(limit_s) as limit:
            result = await contained(effect)
    except TimeoutError as error:
        if limit.expired():
            return replace(call, status=CallStatus.UNKNOWN, result=too_late(limit_s))
        return replace(call, status=CallStatus.FAILED, result=error_text(error, call.tool))
    except Exception as error:  # noqa: BLE001 - the boundary of the tool: whatever it raises is its failure
        return replace(call, status=CallStatus.FAILED, result=error_text(error, call.tool))
    return replace(call, status=CallStatus.DONE, result=result)


def error_text(error: Exception, tool: str) -> str:
    """Returns the text about a tool's error for the model.

    Only a ToolException, a ConversationError and wrong arguments are quoted. The text of another error may hold
    anything, such as a key: the log has its type and its place, and at DEBUG its text.
    """
    match error:
        case ToolFailedError():
            return str(error)
        case ToolException() | ConversationError():
            return shortened(f"Error: {error}")
        case ValidationError():
            wrong = "; ".join(
                f"{'.'.join(map(str, each['loc'])) or 'arguments'}: {each['msg']}" for each in error.errors()
            )
            return shortened(f"Error: {wrong}")
        case _:
            logger.error("the tool %s failed: %s", tool, where_it_failed(error))
            logger.debug("the tool %s failed", tool, exc_info=error)
            return FAILED


def result_text(output: Any) -> str:
    """Returns a tool's output as text."""
    if isinstance(output, ToolMessage):
        if isinstance(output.content, list) and all(isinstance(each, str) for each in output.content):
            # LangChain takes a tool's list of texts, and an empty list, for the parts of one text.
            return shortened(json.dumps(output.content, ensure_ascii=False))
        return shortened(output.text) if output.text or output.content else NOTHING
    if isinstance(output, str):
        return shortened(output) or NOTHING
    try:
        return shortened(json.dumps(output, ensure_ascii=False))
    except (TypeError, ValueError):
        return shortened(str(output))


def shortened(text: str) -> str:
    """Returns the text, cut to `RESULT_CHARS`, in whole characters."""
    text = whole_characters(text)
    return text if len(text) <= RESULT_CHARS else f"{text[:RESULT_CHARS]} … (cut: {len(text):,} characters)"


class UnkeptCalls:
    """The calls of a reply without a conversation: nothing outlives the reply, and nobody can be asked."""

    records: tuple[CallRecord, ...] = ()
    confirmed: CallRecord | None = None

    @property
    def conversation(self) -> NoReturn:
        raise LookupError("there is no conversation")

    async def run(self, call: CallRecord, effect: Coroutine[Any, Any, str], limit_s: float) -> CallRecord:
        return await ended(call, effect, limit_s)

    def ask(self, request: ConfirmationRequest) -> None: ...

    def count_call(self, tag: ToolTag, status: CallStatus, seconds: float) -> None: ...
