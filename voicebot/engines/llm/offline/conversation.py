"""Finds out from a chat model's messages what the user wants, and what was said before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

from voicebot.dialogue.tool_calls import CallRecord
from voicebot.engines.llm.messages import (
    CUT_MARK,
    EARLIER_CALL,
    STANDS_IN,
    UNREPORTED,
    StandInNotice,
    with_one_system_message,
)
from voicebot.engines.llm.offline.clock import ClockQuestion, clock_questions_in
from voicebot.engines.llm.offline.passages import ToldPassage, told_passages
from voicebot.engines.llm.offline.sums import Sum, sums_in
from voicebot.engines.llm.offline.topics import Mention, mentions_in, topics
from voicebot.engines.llm.offline.words import clauses_of
from voicebot.runtime.limits import OFFLINE_MESSAGE_CHARS, OFFLINE_MESSAGES, OFFLINE_QUESTIONS_BACK

OfflineRequest = ClockQuestion | Sum | Mention

MOST_REQUESTS = 4
"""An answer to more requests would be too long to listen to."""

_ABOUT_THE_ANSWER = frozenset(("continue", "repeat", "yes", "stop", "no"))
"""Topics of remarks on an answer. After one of these, "go on" means the question before it."""
_SILENT_BESIDE_OTHERS = frozenset(("yes", "no", "stop"))
"""Topics that get no reply beside another request, as in "No. Tell me a joke."."""
_TOLD_LAST = frozenset(("joke", "story", "continue"))
"""Topics whose answers are long: what came after them would hardly be heard."""


def requests_in(text: str) -> list[OfflineRequest]:
    """Returns what `text` asks for, in its order; where nothing is understood, a mention of the topic "unknown"."""
    found: list[OfflineRequest] = []
    for sentence in clauses_of(text):
        rest: list[str] = []
        for at, clause in enumerate(sentence):
            earlier = " ".join(sentence[:at])
            solvable: Sequence[OfflineRequest] = sums_in(clause) or clock_questions_in(clause, earlier)
            if solvable:
                found += [*mentions_in(" ".join(rest)), *solvable]
                rest = []
            else:
                rest.append(clause)
        found += mentions_in(" ".join(rest))
    found = _without_side_remarks(list(dict.fromkeys(found)))
    found.sort(key=lambda request: isinstance(request, Mention) and request.topic.name in _TOLD_LAST)
    return found[:MOST_REQUESTS] or [Mention(topics()["unknown"])]


def _without_side_remarks(requests: list[OfflineRequest]) -> list[OfflineRequest]:
    silent = set(_SILENT_BESIDE_OTHERS)
    if not all(isinstance(request, Mention) for request in requests):
        # "Can you help me? What is three plus four?"
        silent.add("capabilities")

    def is_side_remark(request: OfflineRequest) -> bool:
        return isinstance(request, Mention) and (request.topic.is_guess or request.topic.name in silent)

    return [request for request in requests if not is_side_remark(request)] or requests[:1]


@dataclass(frozen=True, slots=True)
class ChatContext:
    """The user's last message, what was said before it, and the results of the tool calls made for the answer."""

    said: str
    earlier_said: tuple[str, ...]
    heard: tuple[str, ...]
    """The assistant's messages, as far as the user heard them."""
    is_interrupted: bool
    """Whether the last of these was interrupted."""
    results: Mapping[str, ToolMessage]
    """The tools' results by the ids of their calls."""
    told: tuple[ToldPassage, ...]
    stand_in_notice: StandInNotice | None
    """What the user knows of the outage if the model stands in for one that failed; else None."""
    unreported: tuple[CallRecord, ...] = ()
    """The calls of tools that have ended without the user's knowledge, each of which another model made."""
    confirmed: CallRecord | None = None
    """The call that was made just now, because the user's last words said yes to it."""

    @classmethod
    def of(cls, messages: Sequence[BaseMessage]) -> ChatContext:
        """Reads the messages that a chat model is given. `said` is empty if none of them is the user's."""
        messages = with_one_system_message(messages)
        notes = messages[0].additional_kwargs if messages else {}
        messages = messages[-OFFLINE_MESSAGES:]
        said = [message.text for message in messages if isinstance(message, HumanMessage)]
        last = max((at for at, message in enumerate(messages) if isinstance(message, HumanMessage)), default=-1)
        told = [message for message in messages[: last + 1] if isinstance(message, AIMessage)]
        answers = [message.text for message in told if EARLIER_CALL not in message.additional_kwargs]
        latest = messages[last + 1 :]
        earlier_calls = [each for message in latest if (each := message.additional_kwargs.get(EARLIER_CALL))]
        earlier = {call.id for call in earlier_calls}
        heard = tuple(answer.removesuffix(CUT_MARK) for answer in answers)
        return cls(
            said=said[-1] if said else "",
            earlier_said=tuple(said[:-1]),
            heard=heard,
            is_interrupted=bool(answers) and answers[-1].endswith(CUT_MARK),
            results={
                message.tool_call_id: message
                for message in latest
                if isinstance(message, ToolMessage) and message.tool_call_id not in earlier
            },
            told=tuple(told_passages(answer[:OFFLINE_MESSAGE_CHARS] for answer in heard)),
            stand_in_notice=notes.get(STANDS_IN),
            unreported=notes.get(UNREPORTED, ()),
            confirmed=next((call for call in earlier_calls if call.reported), None),
        )

    @property
    def unfinished(self) -> ToldPassage | None:
        """The joke or story that was told last, if it was interrupted."""
        return self.told[-1] if self.told and not self.told[-1].is_finished else None

    @property
    def answers_the_model(self) -> bool:
        """Whether the language model gave the last answer, so that the user may refer to it."""
        return self.stand_in_notice is StandInNotice.NEW and bool(self.heard)

    def requests(self) -> list[OfflineRequest]:
        """Returns what the user wants now, with "yes", "another" and "go on" replaced by what they refer to."""
        requests = requests_in(self.said)
        if self.is_interrupted and self.unfinished is None and _topic_names(requests) == ["continue"]:
            requests = self._interrupted_requests() or requests
        return [self._resolved(request) for request in requests]

    def _interrupted_requests(self) -> list[OfflineRequest]:
        """Returns the requests whose answer was interrupted, to be answered again."""
        for said in self.earlier_said[: -OFFLINE_QUESTIONS_BACK - 1 : -1]:
            requests = requests_in(said)
            if not _ABOUT_THE_ANSWER.issuperset(_topic_names(requests)):
                return requests
        return []

    def _resolved(self, request: OfflineRequest) -> OfflineRequest:
        if not isinstance(request, Mention):
            return request
        topic = request.topic.name
        if topic == "yes" and self.heard and self.heard[-1].endswith("hear a joke?"):
            topic = "joke"
        elif topic == "yes" and self.is_interrupted and self.unfinished is not None:
            topic = "continue"
        elif topic == "more" and self.told:
            topic = self.told[-1].passage.topic
        return replace(request, topic=topics()[topic])


def _topic_names(requests: Iterable[OfflineRequest]) -> list[str]:
    """Returns the topics that are mentioned; other requests have the topic ""."""
    return [request.topic.name if isinstance(request, Mention) else "" for request in requests]
