"""How much longer the bot waits for a user whom it has answered too soon."""

from __future__ import annotations

from collections.abc import Sequence

ANSWERS_KEPT = 10
"""A wrong start counts until this many later answers have begun, so a session that goes well becomes quick again."""

LONGER_S = 0.08
MOST_S = 0.24
"""Each wrong start adds `LONGER_S` of silence, and all together at most `MOST_S`. After one, a pause of half a second
that was cut off at 450 ms is waited out; after three, nearly every pause that people make within a sentence is. More
would make the bot slow for everybody, for the sake of pauses that only the words can tell."""


def wrong_start_delay_s(starts: Sequence[bool]) -> float:
    """Returns the silence to add to the endpointing delay, in seconds.

    `starts` are the session's last answers, at most `ANSWERS_KEPT`: True for each that was a wrong start.
    """
    return min(MOST_S, LONGER_S * sum(starts))
