"""The conversation as chat models take it."""

from __future__ import annotations

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, SystemMessage

from voicebot.core.history import History, Role

CUT_MARK = " —"
"""Stands at the end of an assistant's message that was cut short, so that the model knows what was not heard."""

CUT_MARK_EXPLAINED = (
    "A message of yours that ends in a dash was interrupted there: "
    "the user has heard it up to the dash and nothing after it."
)


def to_messages(history: History, system_prompt: str) -> list[AnyMessage]:
    """The system prompt, with the cut mark explained, and then the history."""
    messages: list[AnyMessage] = [SystemMessage(f"{system_prompt}\n\n{CUT_MARK_EXPLAINED}")]
    for message in history:
        if message.role is Role.USER:
            messages.append(HumanMessage(message.text))
        else:
            messages.append(AIMessage(message.text + CUT_MARK if message.interrupted else message.text))
    return messages
