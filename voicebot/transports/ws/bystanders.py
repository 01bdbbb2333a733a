"""Calls to what only watches a session: a fault there must not end it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import ParamSpec

logger = logging.getLogger(__name__)

P = ParamSpec("P")


class Bystanders:
    """One session's. The first fault of each bystander is logged, the others are not: there may be fifty a second."""

    def __init__(self) -> None:
        self._failed: set[str] = set()

    def tell(self, name: str, call: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
        """Makes the call. What it raises is logged, once for each `name`."""
        try:
            call(*args, **kwargs)
        except Exception:  # the boundary to what only watches: whatever goes wrong there, the conversation goes on
            if name not in self._failed:
                self._failed.add(name)
                logger.exception("the %s of a session has failed; the session goes on", name)

    def guarded(self, name: str, call: Callable[P, object]) -> Callable[P, None]:
        """The same call, which raises nothing."""

        def tell(*args: P.args, **kwargs: P.kwargs) -> None:
            self.tell(name, call, *args, **kwargs)

        return tell
