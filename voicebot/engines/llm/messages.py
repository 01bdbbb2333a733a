"""The conversation as chat models take it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage, SystemMessage

from voicebot.dialogue.history import History, Message, Role

CUT_MARK = " —"
"""Stands at the end of an assistant's message that was cut short, so that the model knows what was not heard."""

CUT_MARK_EXPLAINED = (
    "A message of yours that ends in a dash was interrupted there: "
    "the user has heard it up to the dash and nothing after it."
)

OWN_PART_ONLY = "Say only your own part: when you have asked something, stop there and wait for the answer."
"""Some models, gpt-oss among them, else go on and answer their own question in the user's name."""

MODEL_AWAY = "My language model is away"
MODEL_STILL_AWAY = "My language model is still away"
"""By these words the embedded rules say that they answer in the place of a model that failed."""

MODEL_AWAY_EXPLAINED = (
    "Where a message of yours says that your language model is away, simple rules answered for you, because you could "
    "not be reached. You are that model and you are back: do not say that you are away. What those rules could not do, "
    "you may be able to do."
)

STANDS_IN = "voicebot_stands_in"
"""The name under which a system message's `additional_kwargs`, which no service is sent, hold a `StandInNotice`."""

BYTES_A_TOKEN = 4
"""English has about four characters a token (platform.openai.com/tokenizer); letters of other scripts are two to
three bytes in UTF-8 and also more tokens, so that bytes are the better measure."""
TOKENS_A_MESSAGE = 4
"""What surrounds each message (OpenAI cookbook, "How to count tokens with tiktoken")."""


class StandInNotice(StrEnum):
    """What the user of a model that stands in for others knows."""

    NEW = "new"
    """Nothing: it was another that answered last."""
    KNOWN = "known"
    """That it stands in: the user has heard it say so."""


def to_messages(history: History, system_prompt: str, max_tokens: int | None = None) -> list[AnyMessage]:
    """The system message, and then the history.

    If that is more than `max_tokens`, the history's oldest messages are left out, so that it begins with one of the
    user's; the system prompt and the last message always stay. Where the embedded rules have answered in the place of a
    model, the system prompt says what that meant.
    """
    system = system_message(system_prompt)
    told = _fitting(history, system, max_tokens)
    if any(message.role is Role.ASSISTANT and _says_model_is_away(message.text) for message in told):
        system = SystemMessage(f"{system.text}\n\n{MODEL_AWAY_EXPLAINED}")
        told = _fitting(told, system, max_tokens)
    return [system, *map(_message, told)]


def system_message(prompt: str) -> SystemMessage:
    """The system prompt, with the cut mark explained."""
    return SystemMessage(f"{prompt}\n\n{CUT_MARK_EXPLAINED} {OWN_PART_ONLY}")


def _fitting(history: History, system: SystemMessage, max_tokens: int | None) -> History:
    return history if max_tokens is None else _latest(history, max_tokens - tokens([system]))


def _says_model_is_away(text: str) -> bool:
    return MODEL_AWAY in text or MODEL_STILL_AWAY in text


def _latest(history: History, max_tokens: int) -> History:
    """Looks at no more of it than fits: a history that was brought along can be very long."""
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
    """About how many tokens they are. A model's own tokenizer would have to be downloaded."""
    return sum(_text_tokens(message.text) + TOKENS_A_MESSAGE for message in messages)


def tools_tokens(tools: Sequence[Mapping[str, Any]]) -> int:
    """About how many tokens the description of tools is, in the form of OpenAI's chat completions."""
    return _text_tokens(json.dumps(tools, ensure_ascii=False)) if tools else 0


def _text_tokens(text: str) -> int:
    return len(text.encode()) // BYTES_A_TOKEN
