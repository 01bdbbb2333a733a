"""The words of an answer: for each request one or two spoken sentences."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import assert_never

from langchain_core.messages import ToolCall, ToolMessage

from voicebot.engines.llm.messages import StandInNotice
from voicebot.engines.llm.offline.clock_answers import Reading, clock_answer
from voicebot.engines.llm.offline.clock_questions import Asked, ClockQuestion
from voicebot.engines.llm.offline.conversation import Conversation
from voicebot.engines.llm.offline.passages import Kind, next_passage, passages
from voicebot.engines.llm.offline.requests import Request
from voicebot.engines.llm.offline.spoken import greeting, spoken_number
from voicebot.engines.llm.offline.sums import Sum
from voicebot.engines.llm.offline.talk import (
    AWAY,
    BEYOND,
    LEFT_TO_THE_MODEL,
    READY,
    REFUSALS,
    SAID,
    SAID_STANDING_IN,
    SAID_TO_THE_MODEL,
    STILL_BEYOND,
    STORIES_ALL_TOLD,
    STORY_GOES_ON,
    UNKNOWN,
)
from voicebot.engines.llm.offline.topics import Mention, Topic
from voicebot.engines.llm.offline.words import capitalized

MOST_WORDS_REPEATED = 50
"""A longer message is repeated from one of its last sentences on, so that fewer words than this are said."""

LONGEST_REASON = 100
"""A tool's error with more characters is written for programmers and is not said."""


def tool_calls(requests: Sequence[Request]) -> list[ToolCall]:
    """Returns the tool calls that the answer needs. A call's id holds the places of its request and of itself."""
    return [
        ToolCall(name=name, args=args, id=_call_id(at, number), type="tool_call")
        for at, request in enumerate(requests)
        for number, (name, args) in enumerate(_calls(request))
    ]


def answer(conversation: Conversation, requests: Sequence[Request], now: datetime) -> str:
    """Returns the spoken answer to `requests`, given the results of their tool calls.

    An engine that begins to answer in the place of a model says so first, unless somebody needs other words.
    """
    topics = {request.topic for request in requests if isinstance(request, Mention)}
    announced = conversation.standing is StandInNotice.NEW and Topic.DISTRESS not in topics
    parts = [AWAY] if announced else []
    for at, request in enumerate(requests):
        results = [conversation.results.get(_call_id(at, number)) for number in range(len(_calls(request)))]
        if isinstance(request, Mention):
            parts.append(_talk(request, conversation, now, is_alone=len(requests) == 1))
        elif not all(results):
            parts.append("I could not get at my tools for that, sorry.")
        else:
            parts.append(_from_tools(request, [result for result in results if result]))
    return " ".join(parts if conversation.standing is None else dict.fromkeys(parts))


def _call_id(request: int, number: int) -> str:
    return f"{request}-{number}"


def _calls(request: Request) -> list[tuple[str, dict[str, str]]]:
    match request:
        case ClockQuestion(asked=Asked.DIFFERENCE | Asked.CONVERTED):
            return [("clock", {"place": request.place}), ("clock", {"place": request.other_place})]
        case ClockQuestion():
            return [("clock", {"place": request.place})]
        case Sum():
            return [("calculator", {"expression": request.expression})]
        case Mention():
            return []
        case _:
            assert_never(request)


def _from_tools(request: ClockQuestion | Sum, results: Sequence[ToolMessage]) -> str:
    failed = [result for result in results if result.status == "error"]
    if isinstance(request, Sum):
        return _failed_sum(request, failed[0].text) if failed else _solved(request, Decimal(results[0].text))
    if failed:
        place = request.place if results[0] in failed else request.other_place
        return f"I don't know a place called {place.title()}. Try a big city near it."
    return clock_answer(request, [Reading.of(result.text) for result in results])


def _solved(sum_: Sum, value: Decimal) -> str:
    words, is_exact = spoken_number(value)
    return f"{capitalized(sum_.said) or 'That'} is {'' if is_exact else 'about '}{words}."


def _failed_sum(sum_: Sum, error: str) -> str:
    reason = error.removeprefix("Error: ")
    return f"I can't work out {sum_.said or 'that'}. {reason if len(reason) <= LONGEST_REASON else 'It is too long.'}"


def _talk(mention: Mention, conversation: Conversation, now: datetime, *, is_alone: bool) -> str:
    match mention.topic:
        case topic if conversation.standing is not None and topic in LEFT_TO_THE_MODEL:
            return BEYOND if conversation.standing is StandInNotice.NEW else STILL_BEYOND
        case topic if conversation.standing is not None and topic in SAID_STANDING_IN:
            return SAID_STANDING_IN[topic]
        case Topic.GREETING:
            return f"{_greeted(conversation.said, now)} {READY}" if is_alone else SAID[Topic.GREETING]
        case Topic.HOW_ARE_YOU if is_alone:
            return f"{SAID[Topic.HOW_ARE_YOU]} {READY}"
        case Topic.NAME:
            return f"{SAID[Topic.NAME]}, {mention.name.capitalize()}."
        case Topic.JOKE:
            return next_passage(Kind.JOKE, conversation.told, first=now.toordinal()).text
        case Topic.STORY:
            return _story(conversation)
        case Topic.CONTINUE if (unfinished := conversation.unfinished) is not None:
            return f"{STORY_GOES_ON} {unfinished.passage.rest(unfinished.heard)}"
        case topic if conversation.answers_the_model and topic in SAID_TO_THE_MODEL:
            return BEYOND
        case Topic.REPEAT if conversation.heard:
            return _last_sentences(conversation.heard[-1])
        case Topic.UNKNOWN:
            misunderstood = sum(heard.startswith(UNKNOWN) for heard in conversation.heard)
            return UNKNOWN[misunderstood % len(UNKNOWN)]
        case topic:
            text = SAID[topic]
            was_said = any(text in heard for heard in conversation.heard)
            return f"{text.partition('. ')[0]}." if was_said and topic in REFUSALS else text


def _greeted(said: str, now: datetime) -> str:
    """Returns the user's own "good evening": it may be another time of day where the user is."""
    for part in ("morning", "afternoon", "evening"):
        if f"good {part}" in said.lower():
            return f"Good {part}!"
    return greeting(now)


def _story(conversation: Conversation) -> str:
    story = next_passage(Kind.STORY, conversation.told)
    told = {telling.passage for telling in conversation.told}
    return f"{STORIES_ALL_TOLD} {story.text}" if told.issuperset(passages(Kind.STORY)) else story.text


def _last_sentences(text: str) -> str:
    """Returns the last whole sentences of `text`, up to `MOST_WORDS_REPEATED` words, and at least one sentence."""
    sentences = [sentence.strip() for sentence in text.replace("? ", "?\n").replace(". ", ".\n").split("\n")]
    kept: list[str] = []
    for sentence in reversed(sentences):
        if kept and sum(len(each.split()) for each in (sentence, *kept)) > MOST_WORDS_REPEATED:
            break
        kept.insert(0, sentence)
    return " ".join(kept)
