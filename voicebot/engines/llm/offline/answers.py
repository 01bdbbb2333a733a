"""Words the answer: one or two spoken sentences for each request."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from langchain_core.messages import ToolCall, ToolMessage

from voicebot.dialogue.tool_calls import CallRecord, CallStatus
from voicebot.engines.llm.messages import StandInNotice
from voicebot.engines.llm.offline.clock import ClockQuestion, ClockReading, clock_answer
from voicebot.engines.llm.offline.conversation import ChatContext, OfflineRequest
from voicebot.engines.llm.offline.passages import RESUMED, next_passage, passages
from voicebot.engines.llm.offline.spoken import greeting, spoken_result
from voicebot.engines.llm.offline.sums import Sum
from voicebot.engines.llm.offline.topics import (
    AWAY,
    BEYOND,
    READY,
    STILL_BEYOND,
    STORIES_ALL_TOLD,
    UNKNOWN_EXAMPLES,
    Mention,
    Topic,
    first_sentence,
    refusal_openings,
)
from voicebot.engines.llm.offline.words import capitalized

MOST_WORDS_REPEATED = 50
"""Of a longer message only the last sentences are repeated, with at most this many words."""

LONGEST_REASON = 100
"""A tool's text with more characters is written for programmers and is not said."""

_MARKUP = frozenset("{}[]<>|\\")
"""A tool's text with one of these is not said either."""

KNOWN_TOOLS = frozenset(("clock", "calculator"))
"""The tools that the model calls by itself."""

NO_TOOLS = "I couldn't reach my tools for that, sorry."


def tool_calls(requests: Sequence[OfflineRequest]) -> list[ToolCall]:
    """Returns the tool calls that the answer needs. A call's id is the number of its request."""
    return [
        ToolCall(name="clock", args={"place": request.place}, id=str(at), type="tool_call")
        if isinstance(request, ClockQuestion)
        else ToolCall(name="calculator", args={"expression": request.expression}, id=str(at), type="tool_call")
        for at, request in enumerate(requests)
        if not isinstance(request, Mention)
    ]


def answer_to(requests: Sequence[OfflineRequest], context: ChatContext, now: datetime) -> str:
    """Returns the spoken answer to `requests`, for which `context` holds the results of the tool calls.

    If the model begins to stand in for another one, it says so first, unless the user is in distress.
    """
    mentioned = {request.topic.name for request in requests if isinstance(request, Mention)}
    is_announced = context.stand_in_notice is StandInNotice.NEW and "distress" not in mentioned
    parts = [AWAY] if is_announced else []
    if context.confirmed is not None:
        return " ".join((*parts, *map(_report, (*context.unreported, context.confirmed))))
    parts += map(_report, context.unreported)
    for at, request in enumerate(requests):
        if isinstance(request, Mention):
            parts.append(_reply(request, context, now, is_alone=len(requests) == 1))
        elif (result := context.results.get(str(at))) is None:
            parts.append(NO_TOOLS)
        else:
            try:
                parts.append(_tool_answer(request, result))
            except (ArithmeticError, LookupError, TypeError, ValueError):  # a builder's own tool with that name
                parts.append(_plain(result.text) or NO_TOOLS)
    return " ".join(dict.fromkeys(parts))


def named_answer(call: ToolCall, result: ToolMessage, context: ChatContext) -> str:
    """Returns what the user hears of a tool that they have called by its name."""
    status = CallStatus.FAILED if result.status == "error" else CallStatus.DONE
    record = CallRecord(str(call["id"]), call["name"], "{}", status=status, result=result.text)
    parts = [AWAY] if context.stand_in_notice is StandInNotice.NEW else []
    return " ".join((*parts, *map(_report, (*context.unreported, record))))


def _tool_answer(request: Sum | ClockQuestion, result: ToolMessage) -> str:
    if isinstance(request, Sum):
        return _sum_answer(request, result)
    if result.status == "error":
        return f"I don't know a place called {request.place.title()}. Try a big city near it."
    return clock_answer(request, ClockReading.of(result.text))


def _report(call: CallRecord) -> str:
    """Returns how a call of a tool ended that another model made."""
    tool = f"The tool {call.tool.replace('_', ' ').replace('-', ' ')}"
    words = _plain(call.result.removeprefix("Error: "))
    match call.status:
        case CallStatus.DONE:
            return f"{tool} is done. {words}".rstrip()
        case CallStatus.FAILED:
            return f"{tool} failed. {words}".rstrip()
        case CallStatus.NOT_CONFIRMED:
            return f"{tool} was not used."
        case _:
            return f"I don't know whether {tool[0].lower()}{tool[1:]} has done its work."


def _plain(text: str) -> str:
    """Returns a tool's text as a sentence if it can be said aloud, or else an empty text."""
    text = " ".join(text.split())
    if not text or len(text) > LONGEST_REASON or _MARKUP & {*text}:
        return ""
    return f"{capitalized(text)}{'' if text[-1] in '.!?' else '.'}"


def _sum_answer(request: Sum, result: ToolMessage) -> str:
    if result.status != "error":
        return f"{capitalized(request.said) or 'That'} is {spoken_result(Decimal(result.text))}."
    reason = result.text.removeprefix("Error: ")
    return (
        f"I can't work out {request.said or 'that'}. {reason if len(reason) <= LONGEST_REASON else 'It is too long.'}"
    )


def _reply(mention: Mention, context: ChatContext, now: datetime, *, is_alone: bool) -> str:
    topic = mention.topic
    stands_in = context.stand_in_notice is not None
    if (stands_in and topic.is_refusal) or (
        context.answers_the_model and topic.name in ("yes", "more", "continue") and context.unfinished is None
    ):
        return BEYOND if context.stand_in_notice is StandInNotice.NEW else STILL_BEYOND
    match topic.name:
        case "greeting" if is_alone:
            return f"{_greeting(context.said, now)} {READY}"
        case "how_are_you" if is_alone:
            return f"{topic.reply} {READY}"
        case "name":
            return f"{topic.reply.removesuffix('.')}, {mention.user_name}."
        case "joke":
            return next_passage("joke", context.told, first=now.toordinal()).text
        case "story":
            return _story(context)
        case "continue" if context.unfinished is not None:
            return f"{RESUMED} {context.unfinished.rest}"
        case "repeat" if context.heard:
            return _last_sentences(context.heard[-1])
        case "unknown":
            return _not_understood(topic, context)
        case _ if topic.is_refusal:
            return _refusal(topic, context)
        case _:
            return topic.stand_in_reply if stands_in else topic.reply


def _greeting(said: str, now: datetime) -> str:
    """Returns the user's own "good evening", because it may be another time of day where the user is."""
    for part in ("morning", "afternoon", "evening"):
        if f"good {part}" in said.lower():
            return f"Good {part}!"
    return greeting(now)


def _story(context: ChatContext) -> str:
    story = next_passage("story", context.told)
    told = {each.passage for each in context.told}
    return f"{STORIES_ALL_TOLD} {story.text}" if told.issuperset(passages("story")) else story.text


def _refusal(topic: Topic, context: ChatContext) -> str:
    """Returns the reply in full where the user has heard no refusal yet, and else the short one."""
    was_refused = any(opening in heard for heard in context.heard for opening in refusal_openings())
    return topic.short_reply if was_refused else topic.reply


def _not_understood(topic: Topic, context: ChatContext) -> str:
    replies = (_refusal(topic, context), *UNKNOWN_EXAMPLES)
    earlier = (first_sentence(topic.reply), *UNKNOWN_EXAMPLES)
    return replies[sum(message.startswith(earlier) for message in context.heard) % len(replies)]


def _last_sentences(text: str) -> str:
    """Returns the last whole sentences of `text`, up to `MOST_WORDS_REPEATED` words, and at least one sentence."""
    sentences = [sentence.strip() for sentence in text.replace("? ", "?\n").replace(". ", ".\n").split("\n")]
    kept: list[str] = []
    for sentence in reversed(sentences):
        if kept and sum(len(each.split()) for each in (sentence, *kept)) > MOST_WORDS_REPEATED:
            break
        kept.insert(0, sentence)
    return " ".join(kept)
