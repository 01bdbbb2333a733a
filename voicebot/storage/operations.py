"""Runs operations of the database in bounded time, and knows whether the database works."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

from voicebot.storage.database import Database, StoreError

logger = logging.getLogger(__name__)

COMMIT_TIMEOUT_S = 5.0
"""How long the commit of a takeover may take, and an operation that has timed out."""

T = TypeVar("T")


class PendingTakeover:
    """Decides between a takeover of a conversation and a session that stops waiting for it.

    If the session gives up first, nothing is taken over. If the database begins to commit first, the session waits for
    the end of the commit.
    """

    def __init__(self) -> None:
        self.given_up = self.committing = False

    def commit(self) -> bool:
        """Marks the begin of the commit. Returns False if the session has given up, so that there must be none."""
        self.committing = not self.given_up
        return self.committing


class Operations:
    """The operations of one database that run now, and the database's health. `failed` is set when one fails."""

    def __init__(self, database: Database, failed: asyncio.Event) -> None:
        self._database, self._failed = database, failed
        self._running: set[asyncio.Task[Any]] = set()
        self.problem: str | None = "not asked yet"
        """Why the last operation failed; None if it succeeded."""
        self._is_problem_logged = False
        """The present problem has been logged."""

    async def run(
        self, operation: Coroutine[Any, Any, T], timeout_s: float, takeover: PendingTakeover | None = None
    ) -> T:
        """Runs an operation of the database and returns its result. Raises StoreError if it fails or times out.

        It returns after `timeout_s` at the latest even if the driver is slow to cancel. Only the commit of a takeover
        may take longer, because it cannot be undone.
        """
        running = asyncio.create_task(operation)
        self._running.add(running)
        running.add_done_callback(self._ended)
        try:
            done, _ = await asyncio.wait({running}, timeout=timeout_s)
            if not done and takeover is not None and takeover.committing:
                done, _ = await asyncio.wait({running}, timeout=COMMIT_TIMEOUT_S)
            if not done:
                raise StoreError(
                    "the database is being migrated" if self._database.migrating else f"no answer in {timeout_s:g} s"
                )
            answer = running.result()
        except StoreError as error:
            self._note_failure(str(error))
            raise
        finally:
            if takeover is not None:
                takeover.given_up = True
            if self._database.cancellable:
                running.cancel()
        self._note_success()
        return answer

    async def settle(self) -> None:
        """Waits some seconds for all running operations, including those that have timed out."""
        if self._running:
            await asyncio.wait(self._running, timeout=COMMIT_TIMEOUT_S)

    def _ended(self, running: asyncio.Task[Any]) -> None:
        self._running.discard(running)
        if not running.cancelled():
            running.exception()

    def _note_failure(self, reason: str) -> None:
        self.problem = reason
        self._failed.set()
        if not self._is_problem_logged:
            self._is_problem_logged = True
            logger.error("conversations cannot be stored now: %s", reason)

    def _note_success(self) -> None:
        self.problem = None
        if self._is_problem_logged:
            self._is_problem_logged = False
            logger.info("conversations are stored again")
