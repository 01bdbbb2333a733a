"""What a user talks about, where neither the clock nor the calculator is needed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files


class Topic(StrEnum):
    """The headings of topics.txt, and UNKNOWN."""

    DISTRESS = "distress"
    STOP = "stop"
    NO = "no"
    YES = "yes"
    CONTINUE = "continue"
    REPEAT = "repeat"
    JOKE = "joke"
    STORY = "story"
    MORE = "more"
    INTERRUPTING = "interrupting"
    HEARING = "hearing"
    PRIVACY = "privacy"
    LANGUAGES = "languages"
    VOICE = "voice"
    WEATHER = "weather"
    NEWS = "news"
    WEB = "web"
    DEEDS = "deeds"
    GOODBYE = "goodbye"
    HOW_ARE_YOU = "how are you"
    WHAT_DOING = "what are you doing"
    GREETING = "greeting"
    THANKS = "thanks"
    NAME = "name"
    SADNESS = "sadness"
    GLADNESS = "gladness"
    BLAME = "blame"
    PRAISE = "praise"
    SORRY = "sorry"
    IDENTITY = "identity"
    CAPABILITIES = "capabilities"
    MODEL = "model"
    ABOUT_ME = "about me"
    KNOWLEDGE = "knowledge"
    REQUEST = "request"
    QUESTION = "question"
    UNKNOWN = "unknown"


GUESSES = frozenset((Topic.ABOUT_ME, Topic.KNOWLEDGE, Topic.REQUEST, Topic.QUESTION))
"""Topics that are known by the form of the sentence only. They count where nothing better is found."""

_FILLERS = "please|okay|ok|well|so|um|uh|oh|hey|and|now|then|just|bot|yes|yeah|can you|could you|would you|will you"


@dataclass(frozen=True, slots=True)
class Mention:
    """A topic, and the words that are about it: from `start` up to, not including, `end`, in characters."""

    topic: Topic
    start: int
    end: int
    name: str = ""
    """The user's name, where the topic is NAME."""


def topics_in(text: str) -> list[Mention]:
    """Returns the topics in a text of plain words, in their order, each once. GUESSES only count alone."""
    mentions: list[Mention] = []
    for topic, patterns in _patterns().items():
        if topic in GUESSES and mentions:
            break
        for match in (match for pattern in patterns for match in pattern.finditer(text)):
            if all(match.end() <= other.start or other.end <= match.start() for other in mentions):
                mentions.append(Mention(topic, match.start(), match.end(), match.groupdict().get("name") or ""))
                break
    return sorted(mentions, key=lambda mention: mention.start)


@cache
def _patterns() -> Mapping[Topic, list[re.Pattern[str]]]:
    patterns: dict[Topic, list[re.Pattern[str]]] = {}
    for topic, pattern in _lines():
        patterns.setdefault(topic, []).append(pattern)
    return patterns


def _lines() -> Iterator[tuple[Topic, re.Pattern[str]]]:
    topic = Topic.UNKNOWN
    for line in (files(__package__) / "topics.txt").read_text("utf-8").splitlines():
        if line.startswith("["):
            topic = Topic(line.strip("[]"))
        elif line.startswith("="):
            yield topic, re.compile(rf"^(?:(?:{_FILLERS}) )*(?:{line[1:].strip()})(?: (?:{_FILLERS}))*$")
        elif line.startswith("^"):
            yield topic, re.compile(rf"^(?:(?:{_FILLERS}) )*(?:{line[1:].strip()})(?!\w)")
        elif line and not line.startswith("#"):
            yield topic, re.compile(rf"\b(?:{line})(?!\w)")
