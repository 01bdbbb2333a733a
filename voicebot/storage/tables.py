"""The tables: conversations, their messages and tool calls, unused imports, the number of answered turns per day, and
what the processes on one database share while they run.

Each change needs a migration, which `python -m voicebot.storage.migrations.new` writes.
"""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Double, ForeignKey, Index, Integer, LargeBinary, MetaData, String, Table, Text

metadata = MetaData()

conversations = Table(
    "conversations",
    metadata,
    Column("id", String(64), primary_key=True),
    # A secret of the session that may write to it
    Column("owner", String(64), nullable=False),
    # Seconds since the epoch
    Column("updated_at", Double, nullable=False),
    # What the session still had to say (`UnfinishedReply`), and when that was stored; NULL if nothing was left
    Column("unfinished_text", Text),
    Column("unfinished_begun", Boolean),
    Column("unfinished_counted", Boolean),
    Column("unfinished_at", Double),
)

messages = Table(
    "messages",
    metadata,
    Column("conversation", String(64), ForeignKey("conversations.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("role", String(16), nullable=False),
    Column("text", Text, nullable=False),
    Column("interrupted", Boolean, nullable=False),
)

calls = Table(
    "calls",
    metadata,
    Column("conversation", String(64), ForeignKey("conversations.id", ondelete="CASCADE"), primary_key=True),
    # The oldest call has number 0
    Column("number", Integer, primary_key=True),
    # The columns from here on are the fields of `CallRecord`. Models name their calls themselves, at any length
    Column("id", Text, nullable=False),
    Column("tool", Text, nullable=False),
    Column("arguments", Text, nullable=False),
    Column("status", String(16), nullable=False),
    Column("result", Text, nullable=False),
    Column("position", Integer, nullable=False),
    Column("reported", Boolean, nullable=False),
)

imports = Table(
    "imports",
    metadata,
    # When a session uses the import, its row is deleted, and the id becomes that of the conversation
    Column("id", String(64), primary_key=True),
    # `imports.address_label` of the address that it came from
    Column("label", String(16), nullable=False),
    Column("imported_at", Double, nullable=False),
    # The length of `packed`
    Column("bytes", Integer, nullable=False),
    # The messages, compressed by `imports.pack`
    Column("packed", LargeBinary, nullable=False),
)

daily_turns = Table(
    "daily_turns",
    metadata,
    # The number of the day (UTC) since 1970
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("turns", Integer, nullable=False),
)

lease_holders = Table(
    "lease_holders",
    metadata,
    # A random name. A process that starts again has another one
    Column("id", String(32), primary_key=True),
    # By the clock of the database, in seconds since 1970. The process moves it on while it runs
    Column("expires_at", Double, nullable=False),
)

leases = Table(
    "leases",
    metadata,
    # A random name of one session's place
    Column("id", String(32), primary_key=True),
    Column("holder", String(32), ForeignKey("lease_holders.id", ondelete="CASCADE"), nullable=False),
    # `imports.address_label` of the client's address
    Column("label", String(16), nullable=False),
    # The conversation that the session writes to; NULL until the session has begun
    Column("conversation", String(64), nullable=True),
    # The place is not counted any more: the session has ended and stores its last words, or it has to do so, because
    # another one goes on with the conversation
    Column("wanted", Boolean, nullable=False),
)

call_leases = Table(
    "call_leases",
    metadata,
    Column("conversation", String(64), primary_key=True),
    # The identifier of a call that the holder works on
    Column("call", Text, primary_key=True),
    Column("holder", String(32), ForeignKey("lease_holders.id", ondelete="CASCADE"), nullable=False),
)

talk_times = Table(
    "talk_times",
    metadata,
    # The number of the day (UTC) since 1970
    Column("day", Integer, primary_key=True, autoincrement=False),
    # `imports.address_label` of an address that has talked on that day
    Column("label", String(16), primary_key=True),
    Column("seconds", Double, nullable=False),
)

wrong_passwords = Table(
    "wrong_passwords",
    metadata,
    # A hash of an address's or a browser's name, or `all`
    Column("name", String(32), primary_key=True),
    # When further guesses are as free as before the first one, by the clock of the database
    Column("forgotten_at", Double, nullable=False),
)

by_age = Index("conversations_by_age", conversations.c.updated_at)
