"""Writes a new migration: the difference between the tables of the newest version and those in `tables.py`.

`python -m voicebot.storage.migrations.new "add leases"`
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from alembic.autogenerate import produce_migrations, render_python_code
from alembic.runtime.migration import MigrationContext
from sqlalchemy import MetaData, create_engine

from voicebot.storage.migrations import version
from voicebot.storage.migrations.upgrade import upgrade
from voicebot.storage.tables import metadata

TEMPLATE = '''"""{title}."""

import sqlalchemy as sa
from alembic.operations import Operations

revision = "{revision}"
down_revision = "{down_revision}"


def upgrade(op: Operations) -> None:
    {code}
'''


def write_migration(title: str, tables: MetaData) -> Path | None:
    """Writes the migration to these tables, and returns its file. Returns None if nothing has to be migrated."""
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        upgrade(connection)
        context = MigrationContext.configure(connection, opts={"version_table": version.VERSION_TABLE})
        changes = produce_migrations(context, tables).upgrade_ops
        assert changes is not None
        code = render_python_code(changes, render_as_batch=True, migration_context=context)
    engine.dispose()
    if changes.is_empty():
        return None
    newest = version.known_versions()[-1]
    revision = f"{int(newest) + 1:04}"
    name = re.sub(r"\W+", "_", title.lower()).strip("_")
    path = version.FOLDER / "versions" / f"{revision}_{name}.py"
    values = {"title": title[:1].upper() + title[1:], "revision": revision, "down_revision": newest, "code": code}
    path.write_text(TEMPLATE.format(**values), "utf-8")
    return path


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit('usage: python -m voicebot.storage.migrations.new "what it changes"')
    written = write_migration(sys.argv[1], metadata)
    sys.stdout.write("The newest version has all tables of tables.py.\n" if written is None else f"{written}\n")
