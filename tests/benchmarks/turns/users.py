"""Cases as the turns of users, each with one session: what the bot learns of a user's pauses counts in the next turn.

Each speaker becomes two users. One seldom pauses: of six cases, the turn is over in five. The other often does: the
turn is over in one of three.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from tests.benchmarks.turns.case import TurnCase
from tests.benchmarks.turns.pauses import seed_of

LEAST = 6
"""A speaker with fewer cases of one kind, over or not, is left out."""
OVER_OF_SIX = {"fluent": 5, "hesitant": 2}


def users_turns(cases: Sequence[TurnCase]) -> list[TurnCase]:
    """Returns the turns of each user in order, one user after the other. `speaker` names the user."""
    return [turn for speaker in sorted({case.speaker for case in cases}) for turn in _turns_of(speaker, cases)]


def _turns_of(speaker: str, cases: Sequence[TurnCase]) -> Iterator[TurnCase]:
    random = seed_of(f"{speaker} users")
    own = [case for case in cases if case.speaker == speaker]
    over, goes_on = ([case for case in own if case.over is answer] for answer in (True, False))
    if min(len(over), len(goes_on)) < LEAST:
        return
    for manner, share in OVER_OF_SIX.items():
        groups = min(len(over) // share, len(goes_on) // (6 - share))
        chosen = [
            *[over[number] for number in random.permutation(len(over))[: groups * share]],
            *[goes_on[number] for number in random.permutation(len(goes_on))[: groups * (6 - share)]],
        ]
        for number in random.permutation(len(chosen)):
            case = chosen[number]
            yield replace(case, speaker=f"{speaker}, {manner}")
