"""Topics that need neither the clock nor the calculator, and the replies to them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from voicebot.engines.llm.messages import MODEL_AWAY, MODEL_STILL_AWAY

OFFER = "Ask me for the time somewhere, a sum, a joke or a story."
NEEDS_MODEL = "To do more I need a language model: a key for Groq or OpenAI, or a local Ollama, would give me one."
READY = "What can I do for you?"
STORIES_ALL_TOLD = "You have heard all my stories, so here is one of them again."

UNKNOWN_EXAMPLES = (
    "Sorry, that was too hard for me. You could ask what time it is in Tokyo, for example.",
    "I didn't get that either, I'm afraid. You could ask what seventeen times three is, or for a joke.",
)
"""Replies to further messages that are not understood: each gives an example."""

AWAY = (
    f"{MODEL_AWAY} just now. Until it's back I can tell you the time and the date anywhere in the world, do sums, "
    "and tell jokes and stories."
)
"""Said once when the offline model begins to stand in for a language model that failed."""

BEYOND = "I can't answer that without it."
STILL_BEYOND = f"{MODEL_STILL_AWAY}, and I can't answer that without it."
"""Said to what only the language model could answer; the second where an earlier answer has said `AWAY`."""

_FILLERS = "please|okay|ok|well|so|um|uh|oh|hey|and|now|then|just|bot|yes|yeah|alright|can you|could you|will you"
_AROUND = {
    "alone": rf"^(?:(?:{_FILLERS}) )*(?:{{}})(?: (?:{_FILLERS}))*$",
    "start": rf"^(?:(?:{_FILLERS}) )*(?:{{}})(?!\w)",
    "anywhere": r"\b(?:{})(?!\w)",
}


@dataclass(frozen=True, slots=True)
class Topic:
    """A table of topics.toml, which explains the fields."""

    name: str
    reply: str = field(repr=False)
    stand_in_reply: str = field(repr=False)
    short_reply: str = field(repr=False)
    is_refusal: bool
    is_guess: bool
    patterns: tuple[re.Pattern[str], ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Mention:
    """A topic that the user talks about. `user_name` is set where the topic is "name"."""

    topic: Topic
    user_name: str = ""


@cache
def topics() -> Mapping[str, Topic]:
    """Returns all topics by name, in the order in which they are tried."""
    tables = tomllib.loads((files(__package__) / "topics.toml").read_text("utf-8"))
    return {name: _topic(name, table) for name, table in tables.items()}


@cache
def refusal_openings() -> tuple[str, ...]:
    """Returns the first sentences of all refusals, in full and short."""
    refusals = [topic for topic in topics().values() if topic.is_refusal]
    return tuple(first_sentence(reply) for topic in refusals for reply in (topic.reply, topic.short_reply))


def first_sentence(reply: str) -> str:
    """Returns the first sentence of a reply, whose sentences all end with a full stop."""
    return f"{reply.partition('. ')[0].removesuffix('.')}."


def mentions_in(sentence: str) -> list[Mention]:
    """Returns the topics in a sentence of plain words, in their order, each once. Guesses only count alone."""
    # In "another one" and "wait a second" the numbers are no numbers.
    sentence = re.sub(r"\b2nd\b", "second", re.sub(r"\b1\b", "one", sentence))
    found: list[tuple[re.Match[str], Mention]] = []
    for topic in topics().values():
        if topic.is_guess and found:
            continue
        for match in _matches(topic, sentence):
            if all(match.end() <= other.start() or other.end() <= match.start() for other, _ in found):
                found.append((match, Mention(topic, (match.groupdict().get("name") or "").capitalize())))
                break
    return [mention for _, mention in sorted(found, key=lambda each: each[0].start())]


def _matches(topic: Topic, sentence: str) -> Iterator[re.Match[str]]:
    return (match for pattern in topic.patterns for match in pattern.finditer(sentence))


def _topic(name: str, table: Mapping[str, Any]) -> Topic:
    reply = _filled(table["reply"])
    patterns = [around.replace("{}", pattern) for where, around in _AROUND.items() for pattern in table.get(where, ())]
    return Topic(
        name,
        reply,
        table.get("stand_in_reply", reply),
        _filled(table["short_reply"]) if "short_reply" in table else first_sentence(reply),
        is_refusal=table.get("refusal", False),
        is_guess=table.get("guess", False),
        patterns=tuple(map(re.compile, patterns)),
    )


def _filled(text: str) -> str:
    return text.format(offer=OFFER, needs_model=NEEDS_MODEL).strip()
