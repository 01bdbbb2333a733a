"""Tells which version of the schema a database has, and which versions this program knows.

Alembic is not needed for that. It takes 0.2 s to load, so only a database that has to be migrated loads it.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, column, inspect, select, table

FOLDER = Path(__file__).parent
"""The folder with the folder `versions`."""

VERSION_TABLE = "voicebot_schema"
"""Alembic's table with the version. Its own name for it, `alembic_version`, could belong to another program."""


def known_versions() -> list[str]:
    """Returns the versions that this program has migrations for, oldest first: the numbers before the files' names."""
    return sorted(path.name.partition("_")[0] for path in (FOLDER / "versions").glob("[0-9]*_*.py"))


def stored_version(connection: Connection) -> str | None:
    """Returns the version of the database's schema; None if it has no tables, or tables from before version 0001."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    return connection.execute(select(column("version_num")).select_from(table(VERSION_TABLE))).scalar()
