"""What the user wants: everything that was recognised in a text, in the order in which it was said."""

from __future__ import annotations

import re
from decimal import Decimal

from voicebot.engines.llm.offline.clock_questions import ClockQuestion, clock_questions_in
from voicebot.engines.llm.offline.dates import marked
from voicebot.engines.llm.offline.sums import SUM_MARK, Sum, continued, sums_in
from voicebot.engines.llm.offline.topics import GUESSES, Mention, Topic, topics_in
from voicebot.engines.llm.offline.words import END, spoken_again, words_of

Request = ClockQuestion | Sum | Mention

MOST_REQUESTS = 4
"""An answer to more requests would be too long to listen to."""

_TOLD = frozenset((Topic.JOKE, Topic.STORY, Topic.CONTINUE))
_PASSED_OVER = frozenset((Topic.YES, Topic.NO, Topic.STOP, Topic.ABOUT_ME))
"""Topics that get no answer of their own beside another request, as in "No. Tell me a joke."."""


def requests_in(text: str, result: Decimal | None = None) -> list[Request]:
    """Returns what is asked for in `text`; where nothing is understood, one mention of `Topic.UNKNOWN`.

    `result` is that of a sum just worked out, which the text may mean by "that".
    """
    marks = marked(" ".join(words_of(text)))
    sums, rest = sums_in(marks.text)
    if not sums and result is not None:
        sums, rest = sums_in(continued(marks.text, result))
    marks.text = rest if sums else marks.text
    questions = clock_questions_in(marks)
    words = marks.in_words(marks.text)
    places = (match.start() for match in re.finditer(rf"(?<!\S){SUM_MARK}(?!\S)", words))
    found: list[tuple[int, Request]] = list(zip(places, sums, strict=False))
    found += [(question.at, question) for question in questions]
    found += _mentions(words, [at for at, _ in found])
    weighty = [each for each in found if not (isinstance(each[1], Mention) and each[1].topic in _PASSED_OVER)]
    found = weighty or found
    # What is told at length comes last, as what follows it would hardly be heard.
    found.sort(key=lambda each: (isinstance(each[1], Mention) and each[1].topic in _TOLD, each[0]))
    return [request for _, request in found][:MOST_REQUESTS] or [Mention(Topic.UNKNOWN, 0, 0)]


def _mentions(words: str, others: list[int]) -> list[tuple[int, Request]]:
    """Returns the topics of each sentence with their places. `others` are the places of sums and questions."""
    found: list[tuple[int, Request]] = []
    seen: set[Topic] = set()
    start = 0
    for sentence in words.split(f" {END} "):
        end = start + len(sentence)
        is_understood = any(start <= at <= end for at in others)
        for mention in topics_in(spoken_again(sentence).removesuffix(f" {END}")):
            is_passed_over = is_understood and mention.topic in GUESSES | {Topic.CAPABILITIES}
            if mention.topic not in seen and not is_passed_over:
                seen.add(mention.topic)
                found.append((start + mention.start, mention))
        start = end + len(f" {END} ")
    return found
