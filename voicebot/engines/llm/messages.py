"""Turns the history of a conversation into the messages of a chat model."""

from __future__ import annotations

import json
from collections import ChainMap
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any

from langchain_core.messages import (
    AIMessage,
    AnyMessage,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    ToolCall,
    ToolMessage,
)

from voicebot.dialogue.history import History, Message, Role
from voicebot.dialogue.tool_calls import CallRecord, CallStatus

CUT_MARK = " —"
"""Ends an interrupted message of the assistant, so that the model knows that the user heard nothing after it."""

CUT_MARK_EXPLAINED = (
    "A message of yours that ends in a dash was interrupted there: "
    "the user has heard it up to the dash and nothing after it."
)

OWN_PART_ONLY = "Say only your own part: when you have asked something, stop there and wait for the answer."
"""Without this, some models, gpt-oss among them, answer their own questions in the user's name."""

MODEL_AWAY = "My language model is away"
MODEL_STILL_AWAY = "My language model is still away"
"""The offline model says these words when it stands in for a model that failed."""

MODEL_AWAY_EXPLAINED = (
    "Where a message of yours says that your language model is away, simple rules answered for you, because you could "
    "not be reached. You are that model and you are back: do not say that you are away. What those rules could not do, "
    "you may be able to do."
)

STANDS_IN = "voicebot_stands_in"
"""The key of a `StandInNotice` in a system message's `additional_kwargs`, which are not sent to services."""

EARLIER_CALL = "voicebot_earlier_call"
"""The key of a `CallRecord` in the `additional_kwargs` of a message of the assistant: the call was made before this
answer. It is not sent to services."""

UNREPORTED = "voicebot_unreported_calls"
"""The key of the calls in a system message's `additional_kwargs` whose end the user does not know. It is not sent."""

STILL_RUNNING = "Still running. Do not call the tool again for this; you will be told how it ends."
NO_CLEAR_YES = "The tool did not run: the user was asked whether it should, and gave no clear yes."
"""What the model reads instead of a result."""

REPORT_CALLS = (
    "These calls of tools have ended since you last spoke, and the user does not know it yet. Begin your answer with "
    "how they ended, in a few words of your own:"
)
MAX_REPORTED = 10
"""The most calls that are named there."""
REPORTED_CHARS = 500
"""The most characters of each result there. The whole result is in the message of the tool."""

BYTES_A_TOKEN = 4
"""English has about four characters per token (platform.openai.com/tokenizer). Letters of other scripts have two or
three bytes in UTF-8 and also more tokens, so bytes are a better measure than characters."""
TOKENS_A_MESSAGE = 4
"""Added for each message (OpenAI cookbook, "How to count tokens with tiktoken")."""


class StandInNotice(StrEnum):
    """What the user knows about a model that stands in for another one."""

    NEW = "new"
    """The user knows nothing: another model answered last."""
    KNOWN = "known"
    """The user has heard it say that it stands in."""


def to_messages(
    history: History, system_prompt: str, max_tokens: int | None = None, calls: Sequence[CallRecord] = ()
) -> list[AnyMessage]:
    """Returns the system message and the history, with the calls at their places in it.

    If they exceed `max_tokens`, the oldest messages are left out until the history begins with one of the user's. The
    system prompt and the last message always stay. If the history holds the offline model's notice that a model is
    away, the system prompt explains it. It also names the calls that have ended without the user's knowledge.
    """
    unreported = [call for call in calls if call.status is not CallStatus.RUNNING and not call.reported]
    unreported = unreported[-MAX_REPORTED:]
    if unreported:
        system_prompt = "\n".join((f"{system_prompt}\n\n{REPORT_CALLS}", *map(_report, unreported)))
    system = system_message(system_prompt)
    told = _fitting(history, calls, system, max_tokens)
    if any(message.role is Role.ASSISTANT and _says_model_is_away(message.text) for message in history[told:]):
        system = SystemMessage(f"{system.text}\n\n{MODEL_AWAY_EXPLAINED}")
        told = _fitting(history, calls, system, max_tokens)
    if unreported:
        system.additional_kwargs[UNREPORTED] = tuple(unreported)
    messages: list[AnyMessage] = [system]
    for place in range(told, len(history)):
        messages += _told_at(history, calls, place)
    return messages


def system_message(prompt: str) -> SystemMessage:
    """Returns the system prompt with an explanation of the cut mark."""
    return SystemMessage(f"{prompt}\n\n{CUT_MARK_EXPLAINED} {OWN_PART_ONLY}")


def notes_in(system: BaseMessage, prompt: str) -> SystemMessage | None:
    """Returns what `to_messages` has added to the system prompt for one reply only; None if that is nothing."""
    text = system.text.removeprefix(prompt).replace(system_message("").text, "").strip()
    return SystemMessage(text, additional_kwargs=system.additional_kwargs) if text or system.additional_kwargs else None


def with_one_system_message(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    """Returns the messages with all system messages joined in the first place, as many models accept only that."""
    system = [message for message in messages if isinstance(message, SystemMessage)]
    if len(system) < 2:
        return [*messages]
    text = "\n\n".join(message.text for message in system if message.text)
    others = [message for message in messages if not isinstance(message, SystemMessage)]
    return [
        SystemMessage(text, additional_kwargs=dict(ChainMap(*(each.additional_kwargs for each in system)))),
        *others,
    ]


def _fitting(history: History, calls: Sequence[CallRecord], system: SystemMessage, max_tokens: int | None) -> int:
    """Returns the place of the first message that fits."""
    return 0 if max_tokens is None else _latest(history, calls, max_tokens - tokens([system]))


def _says_model_is_away(text: str) -> bool:
    return MODEL_AWAY in text or MODEL_STILL_AWAY in text


def _latest(history: History, calls: Sequence[CallRecord], max_tokens: int) -> int:
    """Returns the place of the first of the latest messages that fit.

    Older ones are not read, as an imported history can be very long.
    """
    begin = len(history)
    for place in reversed(range(len(history))):
        max_tokens -= tokens(_told_at(history, calls, place))
        if max_tokens < 0 and begin < len(history):
            return begin
        if history[place].role is Role.USER or begin == len(history):
            begin = place
    return 0


def _told_at(history: History, calls: Sequence[CallRecord], place: int) -> list[AnyMessage]:
    """Returns the message at this place, and the calls that were made right after it."""
    is_last = place == len(history) - 1
    after = [call for call in calls if call.position == place + 1 or (is_last and call.position > place)]
    return [_message(history[place]), *(message for call in after for message in call_messages(call))]


def _message(message: Message) -> AnyMessage:
    if message.role is Role.USER:
        return HumanMessage(message.text)
    return AIMessage(message.text + CUT_MARK if message.interrupted else message.text)


def call_messages(call: CallRecord) -> tuple[AIMessage, ToolMessage]:
    """Returns an earlier call as a model knows it: the message that calls the tool, and the one with the result.

    Each call has a message of its own: the chat templates of some models (Llama 3) refuse several calls in one.
    """
    made = ToolCall(name=call.tool, args=_arguments(call), id=call.id, type="tool_call")
    status = "success" if call.status in (CallStatus.DONE, CallStatus.RUNNING) else "error"
    return (
        AIMessage("", tool_calls=[made], additional_kwargs={EARLIER_CALL: call}),
        ToolMessage(_outcome(call), tool_call_id=call.id, name=call.tool, status=status),
    )


def _arguments(call: CallRecord) -> dict[str, Any]:
    try:
        arguments = json.loads(call.arguments)
    except ValueError:
        return {}
    return arguments if isinstance(arguments, dict) else {}


def _outcome(call: CallRecord) -> str:
    match call.status:
        case CallStatus.RUNNING:
            return STILL_RUNNING
        case CallStatus.NOT_CONFIRMED:
            return call.result or NO_CLEAR_YES
        case _:
            return call.result


def _report(call: CallRecord) -> str:
    text = " ".join(_outcome(call).split())
    return f"- {call.tool} {call.arguments}: {call.status}: {text[:REPORTED_CHARS]}"


def tokens(messages: Iterable[BaseMessage]) -> int:
    """Returns an estimate of the number of tokens. Exact counts would need a download of the model's tokenizer."""
    return sum(_text_tokens(message.text) + _calls_tokens(message) + TOKENS_A_MESSAGE for message in messages)


def _calls_tokens(message: BaseMessage) -> int:
    return tools_tokens(message.tool_calls) if isinstance(message, AIMessage) else 0


def tools_tokens(tools: Sequence[Mapping[str, Any]]) -> int:
    """Returns an estimate of the tokens in the descriptions of tools in OpenAI's chat completions format."""
    return _text_tokens(json.dumps(tools, ensure_ascii=False)) if tools else 0


def _text_tokens(text: str) -> int:
    return len(text.encode()) // BYTES_A_TOKEN
