"""Keeps the schema of a database at the newest version."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import NamedTuple

from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from voicebot.storage.migrations.version import known_versions, stored_version
from voicebot.storage.sqlite_file import FileId, file_id

logger = logging.getLogger(__name__)

SCHEMA_LOCK = 0x766F696365626F74
"""The number of an advisory lock of Postgres that no other program uses. Only the server that holds it migrates."""

MIGRATION_RETRY_S = 60.0
"""How long a migration that has failed is not tried again. It may lock the tables that other servers still use."""

Upgrade = Callable[[Connection], None]


class SchemaError(Exception):
    """The schema is not the newest, and cannot be migrated. The text says why, and may contain the driver's words."""


class _FailedMigration(NamedTuple):
    """`retry_s` is the time of the next try, of the monotonic clock."""

    retry_s: float
    reason: str


class Schema:
    """The schema of one database.

    A migration is one transaction, which only one server at a time can begin. If it fails or the process ends, the
    database stays as it was.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._sqlite = engine.dialect.name == "sqlite"
        self._migration: asyncio.Task[FileId] | None = None
        self._failed: _FailedMigration | None = None

    @property
    def migrating(self) -> bool:
        return self._migration is not None

    async def earlier_version(self) -> str | None:
        """Returns the schema's version if this program has newer ones; None if it is the newest, or there is none."""
        async with self._engine.connect() as connection:
            stored = await _known_version(connection)
        return None if stored == known_versions()[-1] else stored

    async def prepare(self) -> FileId:
        """Migrates the schema if it is not the newest. Returns the id of the SQLite file that has the newest.

        All callers wait for the same migration. It goes on when they are cancelled, because it can take longer than
        they wait. Raises SchemaError, and what SQLAlchemy raises if the database cannot be used.
        """
        if self._migration is None:
            async with self._engine.connect() as connection:
                if await _known_version(connection) == known_versions()[-1]:
                    return file_id(connection)
        if self._migration is None:
            self._migration = asyncio.create_task(self._migrate(), name="migration")
            self._migration.add_done_callback(self._migration_ended)
        migration = self._migration
        await asyncio.wait({migration})
        if migration.cancelled():
            raise SchemaError("the database is closed")
        return migration.result()

    async def close(self, wait_s: float) -> None:
        """Cancels a migration that does not end within `wait_s`. It is rolled back."""
        migration = self._migration
        if migration is not None:
            await asyncio.wait({migration}, timeout=wait_s)
            migration.cancel()
            await asyncio.wait({migration})

    def _migration_ended(self, migration: asyncio.Task[FileId]) -> None:
        self._migration = None
        if not migration.cancelled():
            migration.exception()

    async def _migrate(self) -> FileId:
        upgrade = await asyncio.to_thread(_load_upgrade)
        async with self._engine.connect() as connection:
            try:
                async with connection.begin():
                    await self._lock(connection)
                    stored = await _known_version(connection)
                    if stored != known_versions()[-1]:
                        await self._upgrade(connection, upgrade, stored)
                    return file_id(connection)
            finally:
                if self._sqlite:
                    await connection.invalidate()  # its foreign keys are off

    async def _lock(self, connection: AsyncConnection) -> None:
        """Waits until no other server migrates."""
        if self._sqlite:
            # To change a column, Alembic replaces the table. With foreign keys that deletes the rows of other tables.
            await connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
            await connection.exec_driver_sql("BEGIN IMMEDIATE")  # Python's driver would begin only before an INSERT
        else:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": SCHEMA_LOCK})

    async def _upgrade(self, connection: AsyncConnection, upgrade: Upgrade, stored: str | None) -> None:
        if stored is None:
            change = "create the tables"
        else:
            change = f"migrate the database from version {stored} to {known_versions()[-1]}"
            if self._failed is not None and time.monotonic() < self._failed.retry_s:
                raise SchemaError(self._failed.reason)
            logger.info("going to %s", change)
        try:
            await connection.run_sync(upgrade)
            if self._sqlite:
                lost = (await connection.exec_driver_sql("PRAGMA foreign_key_check")).mappings().first()
                if lost is not None:
                    raise ValueError(f"rows of {lost['table']} would refer to missing rows of {lost['parent']}")
        except Exception as error:  # whatever a migration raises, sessions go on
            reason = f"cannot {change}: {first_line(error)}"
            if stored is not None:
                self._failed = _FailedMigration(time.monotonic() + MIGRATION_RETRY_S, reason)
            raise SchemaError(reason) from error


def first_line(error: Exception) -> str:
    """Returns the first line of the driver's message. SQLAlchemy's own message contains the statement."""
    lines = str(getattr(error, "orig", None) or error).splitlines() or [type(error).__name__]
    return lines[0]


def _load_upgrade() -> Upgrade:
    from voicebot.storage.migrations.upgrade import upgrade  # loading Alembic takes 0.2 s

    return upgrade


async def _known_version(connection: AsyncConnection) -> str | None:
    """Returns the version of the database's schema. Raises SchemaError if this program does not know the version."""
    stored = await connection.run_sync(stored_version)
    if stored is not None and stored not in known_versions():
        raise SchemaError(
            f"the database has schema version {stored}, but this program knows only versions up to"
            f" {known_versions()[-1]}. Update the program, or set another DATABASE_URL"
        )
    return stored
