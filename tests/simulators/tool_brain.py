"""A simulated model that calls tools where the test says so, and reports results as a good model would."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.simulators.brain import Answer, Call, ChatMessage
from voicebot.dialogue.tool_calls import CallStatus
from voicebot.engines.llm.messages import REPORT_CALLS, STILL_RUNNING

STATUSES = "|".join(CallStatus)
ENDED = re.compile(rf"^- (\w+) .*?: ({STATUSES}): (.*)$", re.MULTILINE)

LISTENING = "I am listening to you."
"""The answer to a message that leads to no call, when there is nothing to report."""


@dataclass
class ToolBrain:
    """Makes the calls of the first key that is found in the user's message; reads out the results of tools.

    Calls that the system prompt names as ended are reported at the beginning of the answer. `answers` gives other texts
    for messages that hold one of its keys.
    """

    calls: Mapping[str, Sequence[Call]]
    answers: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, conversation: Sequence[ChatMessage], tools: Sequence[str]) -> Answer:
        last = conversation[-1]
        told = last.text.lower()
        if last.role == "tool" and last.text != STILL_RUNNING:
            return Answer(_sentence(last.text))
        text = " ".join(reports(conversation[0].text))
        if last.role == "user":
            for key, calls in self.calls.items():
                if key in told:
                    return Answer(text, calls=tuple(call for call in calls if call.name in tools))
        answer = next((answer for key, answer in self.answers.items() if key in told), LISTENING)
        return Answer(" ".join(filter(None, (text, answer))))


def reports(system_prompt: str) -> list[str]:
    """Returns a sentence on each call that the system prompt names as ended without the user's knowledge."""
    _, _, named = system_prompt.partition(REPORT_CALLS)
    return [
        f"The call of {tool.replace('_', ' ')} is {status}: {_sentence(result)}"
        for tool, status, result in ENDED.findall(named)
    ]


def _sentence(text: str) -> str:
    return text if text.endswith(".") else f"{text}."
