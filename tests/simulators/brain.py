"""What the simulated models answer: what a test has written, else something sensible for trying the app by hand."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_TOKEN = re.compile(r"\S+\s*|\s+")


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call; its arguments are sent in pieces of `piece` characters, or with 0 whole."""

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
    """Reasoning, text (word by word) and tool calls; in place of an end, an `error` as a service tells it in a stream.

    `finish` is why it ended ("stop" and "tool_calls" go without saying); empty: the stream just ends.
    """

    text: str = ""
    calls: tuple[Call, ...] = ()
    error: Mapping[str, Any] | None = None
    finish: str | None = None
    reasoning: str = ""
    status: int | None = None
    """With which the error comes, if it is not in the stream."""

    @property
    def tokens(self) -> list[str]:
        return _TOKEN.findall(self.text)

    @property
    def reasoning_tokens(self) -> list[str]:
        return _TOKEN.findall(self.reasoning)


@dataclass(frozen=True, slots=True)
class Said:
    """A message of the conversation, in whatever form the service gets it. `role`: user, assistant or tool."""

    role: str
    text: str


def default_answer(conversation: Sequence[Said], tools: Sequence[str]) -> Answer:
    """Uses the clock when asked for the time; else two sentences, in which nothing of what was said comes back."""
    last = conversation[-1]
    if last.role == "tool":
        return Answer(f"{_time_told(last.text)} Is there anything else?")
    words = re.findall(r"[\w']+", last.text.lower())
    if "clock" in tools and "time" in words:
        return Answer(calls=(Call("clock"),))
    turns = sum(said.role == "user" for said in conversation)
    return Answer(f"I heard you say {len(words)} words in your turn number {turns}. Tell me more about that, please.")


def _time_told(result: str) -> str:
    if found := re.search(r"T(\d\d):(\d\d)", result):
        return f"It is {int(found[1])} {found[2]}."
    return "The tool has answered."
