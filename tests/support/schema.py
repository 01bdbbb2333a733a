"""The schema of a database, as SQL finds it, and programs of a later version."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, MetaData, create_engine, make_url

from voicebot.storage.migrations import version

MIGRATION = """
import os
import signal

import sqlalchemy as sa

revision = "{revision}"
down_revision = "{down_revision}"

def upgrade(op):
{body}
"""


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    """Yields a connection of its own to the database, in a transaction."""
    address = make_url(url)
    engine = create_engine(address.set(drivername="postgresql+psycopg") if address.drivername != "sqlite" else address)
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def run(url: str, *statements: str, **values: str) -> None:
    with connected(url) as connection:
        for statement in statements:
            connection.exec_driver_sql(statement.format(**values))


def rows(url: str, query: str) -> list[tuple[Any, ...]]:
    with connected(url) as connection:
        return [tuple(row) for row in connection.exec_driver_sql(query)]


def schema_version(url: str) -> str | None:
    with connected(url) as connection:
        return version.stored_version(connection)


def differences(url: str, tables: MetaData) -> list[Any]:
    """Returns how these tables differ from those of the database."""
    with connected(url) as connection:
        context = MigrationContext.configure(connection, opts={"version_table": version.VERSION_TABLE})
        return list(compare_metadata(context, tables))


def later_program(folder: Path, *bodies: str) -> Path:
    """Copies this program's migrations to a new folder and adds migrations, with these bodies of `upgrade`.

    Returns the folder, in place of `version.FOLDER`.
    """
    shutil.copytree(version.FOLDER / "versions", folder / "versions", ignore=shutil.ignore_patterns("__pycache__"))
    newest = int(version.known_versions()[-1])
    for number, body in enumerate(bodies, newest + 1):
        values = {"revision": f"{number:04}", "down_revision": f"{number - 1:04}"}
        text = MIGRATION.format(body=textwrap.indent(body, "    "), **values)
        (folder / "versions" / f"{number:04}_later.py").write_text(text, "utf-8")
    return folder
