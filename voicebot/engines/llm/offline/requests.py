"""What the user wants: everything that was recognised in a text, in the order in which it was said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from voicebot.engines.llm.offline.clock_questions import Asked, ClockQuestion, clock_questions_in
from voicebot.engines.llm.offline.sums import Sum, is_broken_sum, sums_in
from voicebot.engines.llm.offline.topics import GUESSES, Mention, Topic, topics_in
from voicebot.engines.llm.offline.words import split_words, words_of

Request = ClockQuestion | Sum | Mention

MOST_REQUESTS = 4
"""More would be no answer any more but a speech."""

_SIDE_TOPICS = frozenset(
    (Topic.GREETING, Topic.THANKS, Topic.YES, Topic.NO, Topic.PRAISE, Topic.HOW_ARE_YOU, Topic.CAPABILITIES)
)
"""Topics beside which a place may still be meant as a question."""
_TOLD = frozenset((Topic.JOKE, Topic.STORY, Topic.CONTINUE))
_SUM_WORD = "#"
_BRIEF = frozenset(
    split_words("and or in at for to what how about the now then there please okay ok so well hey is it")
)
"""With nothing but these words beside it a place ("and in Paris") is surely a question for the time there."""


def requests_in(text: str) -> list[Request]:
    """What is asked for in `text`; at least one, if only that it was not understood."""
    words = words_of(text)
    sums = sums_in(words)
    others = _without(words, sums)
    topics = topics_in(" ".join(others))
    questions = clock_questions_in(others)
    places = {word for question in questions for word in question.place.split()}
    questions = _sure(questions, topics, [word for word in others if word not in places])
    if sums or questions:
        topics = [mention for mention in topics if mention.topic not in GUESSES | {Topic.CAPABILITIES}]
    elif is_broken_sum(words) and all(mention.topic in GUESSES for mention in topics):
        topics = [Mention(Topic.BROKEN_SUM, 0, 0)]
    found: list[tuple[int, Request]] = [(sum_.start, sum_) for sum_ in sums]
    found += [(question.at, question) for question in questions]
    found += [(" ".join(others).count(" ", 0, mention.start), mention) for mention in topics]
    # What is told at length comes last, as what follows it would hardly be heard.
    found.sort(key=lambda each: (isinstance(each[1], Mention) and each[1].topic in _TOLD, each[0]))
    return [request for _, request in found][:MOST_REQUESTS] or [Mention(Topic.UNKNOWN, 0, 0)]


def _without(words: Sequence[str], sums: Sequence[Sum]) -> list[str]:
    """`words` with those that belong to sums blotted out."""
    taken = {at for sum_ in sums for at in range(sum_.start, sum_.end)}
    return [_SUM_WORD if at in taken else word for at, word in enumerate(words)]


def _sure(questions: list[ClockQuestion], topics: Sequence[Mention], words: Sequence[str]) -> list[ClockQuestion]:
    """The questions without those that were understood from a place alone while something else was said about it."""
    if not questions or questions[0].asked is not Asked.PLACE_ONLY:
        return questions
    if _BRIEF.issuperset(words):
        return [replace(question, asked=Asked.TIME) for question in questions]
    about_it = any(mention.topic not in _SIDE_TOPICS | {Topic.QUESTION} for mention in topics)
    return [] if about_it else questions
