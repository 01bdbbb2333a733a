"""Migrates a database to the newest version, with Alembic.

Alembic's `env.py` and its global `alembic.op` are not used, because all threads and tasks of a process share them.
Instead, each migration is handed its own operations.
"""

from __future__ import annotations

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext, MigrationStep, RevisionStep
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from voicebot.storage.migrations import version


def upgrade(connection: Connection) -> None:
    """Runs the migrations that this database lacks. The caller commits or rolls back."""
    scripts = ScriptDirectory(version.FOLDER)

    def steps(stored: tuple[str, ...], _: MigrationContext) -> list[RevisionStep]:
        missing = list(scripts.iterate_revisions("head", stored, implicit_base=True))
        return [MigrationStep.upgrade_from_script(scripts.revision_map, each) for each in reversed(missing)]

    context = MigrationContext.configure(connection, opts={"version_table": version.VERSION_TABLE, "fn": steps})
    context.run_migrations(op=Operations(context))
