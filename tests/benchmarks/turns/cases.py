"""All cases by which the end of a turn is judged."""

from __future__ import annotations

from collections.abc import Iterator

from tests.benchmarks.turns.case import Kind, Part, TurnCase
from tests.benchmarks.turns.pauses import TRAILING_S, random_pause_s
from tests.benchmarks.turns.recorded import recorded_cases
from tests.benchmarks.turns.spoken import spoken_cases
from tests.benchmarks.turns.texts import turn_texts

__all__ = ["Kind", "Part", "TurnCase", "all_cases", "text_cases"]


TEXT_LEAD_S = 0.4
"""In a case without audio, the silence before the speech that stands for the words."""
TEXT_SPEECH_S = 1.0


def text_cases() -> Iterator[TurnCase]:
    """Yields the cases without audio, in five languages. Their words are spread evenly over a second."""
    for number, each in enumerate(turn_texts(), 1):
        name = f"{Kind.TEXT}: {each.language} {number}: {each.text}"
        words, ends_s = each.text.split(), TEXT_LEAD_S + TEXT_SPEECH_S
        yield TurnCase(
            name=name,
            kind=Kind.TEXT,
            language=each.language,
            part=Part(each.part),
            speaker="",
            sentence=each.text,
            audio=None,
            words=tuple((word, TEXT_LEAD_S + TEXT_SPEECH_S * at / len(words)) for at, word in enumerate(words, 1)),
            asked=each.asked,
            pause_at_s=ends_s,
            over=each.over,
            pause_s=TRAILING_S if each.over else random_pause_s(name),
        )


def all_cases() -> Iterator[TurnCase]:
    """Yields the cases with audio that can be had on this machine, in a fixed order."""
    yield from recorded_cases()
    yield from spoken_cases()
