"""The conversation as chat models take it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage, SystemMessage, trim_messages

from voicebot.core.history import History, Role

CUT_MARK = " —"
"""Stands at the end of an assistant's message that was cut short, so that the model knows what was not heard."""

CUT_MARK_EXPLAINED = (
    "A message of yours that ends in a dash was interrupted there: "
    "the user has heard it up to the dash and nothing after it."
)

BYTES_A_TOKEN = 4
"""English has about four characters a token (platform.openai.com/tokenizer); letters of other scripts are two to
three bytes in UTF-8 and also more tokens, so that bytes are the better measure."""
TOKENS_A_MESSAGE = 4
"""What surrounds each message (OpenAI cookbook, "How to count tokens with tiktoken")."""


def to_messages(history: History, system_prompt: str, max_tokens: int | None = None) -> list[AnyMessage]:
    """The system prompt, with the cut mark explained, and then the history.

    If that is more than `max_tokens`, the history's oldest messages are left out, so that it begins with one of the
    user's; the system prompt and the last message always stay.
    """
    messages: list[AnyMessage] = [SystemMessage(f"{system_prompt}\n\n{CUT_MARK_EXPLAINED}")]
    for message in history:
        if message.role is Role.USER:
            messages.append(HumanMessage(message.text))
        else:
            messages.append(AIMessage(message.text + CUT_MARK if message.interrupted else message.text))
    if max_tokens is None or tokens(messages) <= max_tokens:
        return messages
    kept = trim_messages(
        messages[:-1],
        max_tokens=max(0, max_tokens - tokens(messages[-1:])),
        token_counter=tokens,
        strategy="last",
        start_on="human",
        include_system=True,
    )
    return cast("list[AnyMessage]", [messages[0], *kept[1:], messages[-1]])


def tokens(messages: Sequence[BaseMessage]) -> int:
    """About how many tokens they are. A model's own tokenizer would have to be downloaded."""
    return sum(len(message.text.encode()) // BYTES_A_TOKEN + TOKENS_A_MESSAGE for message in messages)
