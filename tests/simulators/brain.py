"""The answers of the simulated models: those that a test has written, or a default for trying the app by hand."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_TOKEN = re.compile(r"\S+\s*|\s+")


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call, whose arguments are sent in pieces of `piece` characters, or whole if `piece` is 0."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    piece: int = 5

    @property
    def text(self) -> str:
        return json.dumps(self.arguments)

    def pieces(self) -> list[str]:
        step = self.piece or len(self.text)
        return [self.text[at : at + step] for at in range(0, len(self.text), step)]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of a model: reasoning, text (streamed word by word) and tool calls.

    `error` ends the stream with an error in the form of the service. `finish` is the reason why the answer ended;
    "stop" and "tool_calls" need not be given. If it is empty, the stream ends without a reason.
    """

    text: str = ""
    calls: tuple[Call, ...] = ()
    error: Mapping[str, Any] | None = None
    finish: str | None = None
    reasoning: str = ""
    status: int | None = None
    """The HTTP status of the error when it is not sent within the stream."""

    @property
    def tokens(self) -> list[str]:
        return _TOKEN.findall(self.text)

    @property
    def reasoning_tokens(self) -> list[str]:
        return _TOKEN.findall(self.reasoning)


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """A message of the conversation, read from the format of any service. `role` is system, user, assistant or tool."""

    role: str
    text: str


def default_answer(conversation: Sequence[ChatMessage], tools: Sequence[str]) -> Answer:
    """Calls the clock when asked for the time; otherwise says two sentences that repeat no word of the user."""
    last = conversation[-1]
    if last.role == "tool":
        return Answer(f"{_time_sentence(last.text)} Is there anything else?")
    words = re.findall(r"[\w']+", last.text.lower())
    if "clock" in tools and "time" in words:
        return Answer(calls=(Call("clock"),))
    turns = sum(message.role == "user" for message in conversation)
    return Answer(f"I heard you say {len(words)} words in your turn number {turns}. Tell me more about that, please.")


def _time_sentence(result: str) -> str:
    if found := re.search(r"T(\d\d):(\d\d)", result):
        return f"It is {int(found[1])} {found[2]}."
    return "The tool has answered."
