"""Turns the history of a conversation into the messages of a chat model."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage, SystemMessage

from voicebot.dialogue.history import History, Message, Role

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


def to_messages(history: History, system_prompt: str, max_tokens: int | None = None) -> list[AnyMessage]:
    """Returns the system message and the history.

    If they exceed `max_tokens`, the oldest messages are left out until the history begins with one of the user's. The
    system prompt and the last message always stay. If the history holds the offline model's notice that a model is
    away, the system prompt explains it.
    """
    system = system_message(system_prompt)
    told = _fitting(history, system, max_tokens)
    if any(message.role is Role.ASSISTANT and _says_model_is_away(message.text) for message in told):
        system = SystemMessage(f"{system.text}\n\n{MODEL_AWAY_EXPLAINED}")
        told = _fitting(told, system, max_tokens)
    return [system, *map(_message, told)]


def system_message(prompt: str) -> SystemMessage:
    """Returns the system prompt with an explanation of the cut mark."""
    return SystemMessage(f"{prompt}\n\n{CUT_MARK_EXPLAINED} {OWN_PART_ONLY}")


def _fitting(history: History, system: SystemMessage, max_tokens: int | None) -> History:
    return history if max_tokens is None else _latest(history, max_tokens - tokens([system]))


def _says_model_is_away(text: str) -> bool:
    return MODEL_AWAY in text or MODEL_STILL_AWAY in text


def _latest(history: History, max_tokens: int) -> History:
    """Returns the latest messages that fit. Older ones are not read, as an imported history can be very long."""
    begin = len(history)
    for place in reversed(range(len(history))):
        max_tokens -= tokens([_message(history[place])])
        if max_tokens < 0 and begin < len(history):
            return history[begin:]
        if history[place].role is Role.USER or begin == len(history):
            begin = place
    return history


def _message(message: Message) -> AnyMessage:
    if message.role is Role.USER:
        return HumanMessage(message.text)
    return AIMessage(message.text + CUT_MARK if message.interrupted else message.text)


def tokens(messages: Iterable[BaseMessage]) -> int:
    """Returns an estimate of the number of tokens. Exact counts would need a download of the model's tokenizer."""
    return sum(_text_tokens(message.text) + TOKENS_A_MESSAGE for message in messages)


def tools_tokens(tools: Sequence[Mapping[str, Any]]) -> int:
    """Returns an estimate of the tokens in the descriptions of tools in OpenAI's chat completions format."""
    return _text_tokens(json.dumps(tools, ensure_ascii=False)) if tools else 0


def _text_tokens(text: str) -> int:
    return len(text.encode()) // BYTES_A_TOKEN
