"""The conversation as the offline engine reads it from a model's messages."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

from voicebot.engines.llm.messages import CUT_MARK, STANDS_IN, StandInNotice
from voicebot.engines.llm.offline.clock_questions import ClockQuestion
from voicebot.engines.llm.offline.passages import Telling, tellings
from voicebot.engines.llm.offline.requests import Request, requests_in
from voicebot.engines.llm.offline.talk import REFUSALS
from voicebot.engines.llm.offline.topics import Mention, Topic
from voicebot.engines.llm.offline.words import words_of
from voicebot.runtime.limits import OFFLINE_MESSAGE_CHARS, OFFLINE_MESSAGES, OFFLINE_QUESTIONS_BACK

_ABOUT_THE_ANSWER = frozenset((Topic.CONTINUE, Topic.REPEAT, Topic.YES, Topic.STOP, Topic.NO))
"""Remarks about an answer. After one of these, "go on" means the question before it."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """What was said last, what before, and what the tools have given so far for an answer, by the calls' ids."""

    said: str
    earlier_said: tuple[str, ...]
    heard: tuple[str, ...]
    """The assistant's messages, as far as they were heard."""
    is_cut: bool
    """Whether the last of them was interrupted."""
    results: Mapping[str, ToolMessage]
    told: tuple[Telling, ...]
    """The jokes and stories among what was heard, the latest last."""
    standing: StandInNotice | None
    """What the user knows about the outage, if the engine stands in for a model that failed; else None."""

    @classmethod
    def of(cls, messages: Sequence[BaseMessage]) -> Conversation:
        """Reads the messages that a chat model is given. Without a user's message, `said` is empty."""
        standing = messages[0].additional_kwargs.get(STANDS_IN) if messages else None
        messages = messages[-OFFLINE_MESSAGES:]
        said = [message.text for message in messages if isinstance(message, HumanMessage)]
        last = max((at for at, message in enumerate(messages) if isinstance(message, HumanMessage)), default=-1)
        answers = [message.text for message in messages[: last + 1] if isinstance(message, AIMessage)]
        heard = tuple(answer.removesuffix(CUT_MARK) for answer in answers)
        return cls(
            said=said[-1] if said else "",
            earlier_said=tuple(said[:-1]),
            heard=heard,
            is_cut=bool(answers) and answers[-1].endswith(CUT_MARK),
            results={message.tool_call_id: message for message in messages if isinstance(message, ToolMessage)},
            told=tuple(tellings(answer[:OFFLINE_MESSAGE_CHARS] for answer in heard)),
            standing=standing,
        )

    @property
    def _said_lately(self) -> Sequence[str]:
        """The user's latest messages before this one, the last one first."""
        return self.earlier_said[: -OFFLINE_QUESTIONS_BACK - 1 : -1]

    @property
    def unfinished(self) -> Telling | None:
        """The joke or story that was told last, if it was cut short."""
        return self.told[-1] if self.told and not self.told[-1].is_finished else None

    @property
    def result(self) -> Decimal | None:
        """The result of the sum that the last answer worked out, if it ended with one."""
        match = re.search(r" is ((?:minus )?[^.]+)\.$", self.heard[-1]) if self.heard and not self.is_cut else None
        words = " ".join(words_of(match[1])) if match else ""
        return Decimal(words.replace("minus ", "-")) if re.fullmatch(r"(?:minus )?\d+(?:\.\d+)?", words) else None

    @property
    def answers_the_model(self) -> bool:
        """Whether the model was the last to answer, so that the user may mean what it has said."""
        return self.standing is StandInNotice.NEW and bool(self.heard)

    def requests(self) -> list[Request]:
        """Returns what the user wants now, with "yes", "another" and "go on" replaced by what they refer to."""
        requests = requests_in(self.said, self.result)
        topics = [request.topic for request in requests if isinstance(request, Mention)]
        if topics == [Topic.CONTINUE] and len(requests) == 1 and self.is_cut and self.unfinished is None:
            return self._asked_before()
        if _is_place_alone(requests):
            # "And in Paris" after "what's the weather in Rome" asks for the weather.
            earlier = (requests_in(said) for said in self._said_lately)
            before = next((asked for asked in earlier if not _is_place_alone(asked)), [])
            if any(isinstance(request, Mention) and request.topic in REFUSALS for request in before):
                return before
        return [self._meant(request) for request in requests]

    def _asked_before(self) -> list[Request]:
        """Returns the requests whose answer was cut short, to be answered again."""
        for said in self._said_lately:
            requests = requests_in(said)
            if not all(isinstance(request, Mention) and request.topic in _ABOUT_THE_ANSWER for request in requests):
                return [self._meant(request) for request in requests]
        return [Mention(Topic.CONTINUE, 0, 0)]

    def _meant(self, request: Request) -> Request:
        if not isinstance(request, Mention):
            return request
        topic = request.topic
        if topic is Topic.YES and self.heard and self.heard[-1].endswith("hear a joke?"):
            topic = Topic.JOKE
        elif topic is Topic.YES and self.is_cut and self.unfinished is not None:
            topic = Topic.CONTINUE
        elif topic is Topic.MORE and self.told:
            topic = Topic(self.told[-1].passage.kind.value)
        return replace(request, topic=topic)


def _is_place_alone(requests: Sequence[Request]) -> bool:
    return all(isinstance(request, ClockQuestion) and request.is_place_alone for request in requests)
