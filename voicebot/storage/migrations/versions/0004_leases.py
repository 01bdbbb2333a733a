"""Leases."""

import sqlalchemy as sa
from alembic.operations import Operations

revision = "0004"
down_revision = "0003"


def upgrade(op: Operations) -> None:
    op.create_table(
        "lease_holders",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "talk_times",
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("label", sa.String(length=16), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("day", "label"),
    )
    op.create_table(
        "wrong_passwords",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("forgotten_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "call_leases",
        sa.Column("conversation", sa.String(length=64), nullable=False),
        sa.Column("call", sa.Text(), nullable=False),
        sa.Column("holder", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(["holder"], ["lease_holders.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("conversation", "call"),
    )
    op.create_table(
        "leases",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("holder", sa.String(length=32), nullable=False),
        sa.Column("label", sa.String(length=16), nullable=False),
        sa.Column("conversation", sa.String(length=64), nullable=True),
        sa.Column("wanted", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["holder"], ["lease_holders.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
