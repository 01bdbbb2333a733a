"""How many examples the dearest property tests try."""

from __future__ import annotations

import os

from hypothesis import settings


def examples(most: int) -> settings:
    """Returns Hypothesis's settings for at most this many examples, or a third of them if the variable CI is set.

    There, Hypothesis tries the same examples each time, and the processor time of the suite is short.
    """
    return settings(max_examples=most // 3 if os.environ.get("CI") else most)
