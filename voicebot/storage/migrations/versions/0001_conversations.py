"""Conversations, their messages, unused imports, and the turns of each day.

Databases from before the first version have some of these tables, or all.
"""

import sqlalchemy as sa
from alembic.operations import Operations

revision = "0001"
down_revision = None


def upgrade(op: Operations) -> None:
    op.create_table(
        "conversations",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("updated_at", sa.Double, nullable=False),
        if_not_exists=True,
    )
    op.create_index("conversations_by_age", "conversations", ["updated_at"], if_not_exists=True)
    op.create_table(
        "messages",
        sa.Column("conversation", sa.String(64), primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("interrupted", sa.Boolean, nullable=False),
        sa.ForeignKeyConstraint(["conversation"], ["conversations.id"], ondelete="CASCADE"),
        if_not_exists=True,
    )
    op.create_table(
        "imports",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("label", sa.String(16), nullable=False),
        sa.Column("imported_at", sa.Double, nullable=False),
        sa.Column("bytes", sa.Integer, nullable=False),
        sa.Column("packed", sa.LargeBinary, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "daily_turns",
        sa.Column("day", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("turns", sa.Integer, nullable=False),
        if_not_exists=True,
    )
