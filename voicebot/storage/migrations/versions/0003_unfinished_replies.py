"""What a session still had to say when it broke off."""

import sqlalchemy as sa
from alembic.operations import Operations

revision = "0003"
down_revision = "0002"


def upgrade(op: Operations) -> None:
    with op.batch_alter_table("conversations") as table:
        table.add_column(sa.Column("unfinished_text", sa.Text))
        table.add_column(sa.Column("unfinished_begun", sa.Boolean))
        table.add_column(sa.Column("unfinished_counted", sa.Boolean))
        table.add_column(sa.Column("unfinished_at", sa.Double))
