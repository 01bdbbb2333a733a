"""The conversations in a database: SQLite or Postgres, behind the same few questions."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import delete, event, insert, select, text, update
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DisconnectionError, IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.schema import CreateIndex, CreateTable

from voicebot.core.history import History, Message, Role
from voicebot.store.tables import by_age, conversations, messages, metadata

LOCKED_S = 1.0
"""So long another program may keep SQLite's file to itself before that is an error."""

COUNT_TURNS = text(
    "INSERT INTO daily_turns (day, turns) VALUES (:day, :turns)"
    " ON CONFLICT (day) DO UPDATE SET turns = daily_turns.turns + excluded.turns RETURNING turns"
)
"""One statement, so that no two servers count the same turn. SQLite knows it since 3.35."""

POSTGRES: dict[str, Any] = {
    "connect_timeout": 2,
    # A server that has vanished from the network is noticed
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
"""libpq's parameters where the address says nothing else; psycopg's own comes beside them."""

SCHEMA_LOCK = 0x766F696365626F74
"""Any number that no other program uses: two servers that start at once make the tables one after the other."""


class StoreError(Exception):
    """The database could not be asked. The text says why, without its password and without what was said."""


class Database:
    """Every question is one transaction, and raises StoreError if it could not be answered.

    After an error nothing is taken for granted: the next question makes file and tables anew if they are missing.
    """

    def __init__(self, url: str) -> None:
        self._url = make_url(url)
        self.kind = "sqlite" if self._url.drivername == "sqlite" else "postgresql"
        self._engine = _postgres(self._url) if self.kind == "postgresql" else _sqlite(self._url, lambda: self._file)
        self._file = 0
        """How often SQLite's file was made: connections to an earlier one are of no use."""
        self._prepared = False

    @property
    def cancellable(self) -> bool:
        """Whether a question may be given up. One to SQLite ends by itself, in a little more than LOCKED_S: cancelled
        while it connects, it would leave the connection open."""
        return self.kind == "postgresql"

    @property
    def missing_file(self) -> Path | None:
        """SQLite's file while there is none: the first question makes it."""
        file = Path(self._url.database or "") if self.kind == "sqlite" else None
        return file if file is not None and not file.exists() else None

    async def take(self, id: str, owner: str, now_s: float) -> History | None:
        """The conversation, which from now on only `owner` may change; None if there is none."""
        async with self._transaction() as connection:
            if not await _touch(connection, id, now_s, owner):
                return None
            return await _history(connection, id)

    async def read(self, id: str) -> History | None:
        """The conversation as it is; None if there is none."""
        async with self._transaction() as connection:
            known = await connection.execute(select(conversations.c.id).where(conversations.c.id == id))
            return None if known.first() is None else await _history(connection, id)

    async def save(
        self, id: str, owner: str, now_s: float, start: int, rest: Sequence[Message], *, new: bool = False
    ) -> bool:
        """From message `start` on the conversation is now `rest`. False, and nothing changed, if it is not (any more)
        the owner's. Only a `new` one is made if it is not there."""
        try:
            return await self._save(id, owner, now_s, start, rest, new=new)
        except IntegrityError:  # it was made before, though we were not told, and then somebody else took it over
            return False

    async def _save(self, id: str, owner: str, now_s: float, start: int, rest: Sequence[Message], *, new: bool) -> bool:
        async with self._transaction() as connection:
            mine = (conversations.c.id == id) & (conversations.c.owner == owner)
            touched = await connection.execute(update(conversations).where(mine).values(updated_at=now_s))
            if not touched.rowcount:
                if not new:
                    return False
                await connection.execute(insert(conversations).values(id=id, owner=owner, updated_at=now_s))
            later = (messages.c.conversation == id) & (messages.c.position >= start)
            await connection.execute(delete(messages).where(later))
            if rest:
                await connection.execute(insert(messages), [_row(id, start + at, each) for at, each in enumerate(rest)])
            return True

    async def delete(self, id: str) -> bool:
        """Whether there was one."""
        async with self._transaction() as connection:
            gone = await connection.execute(delete(conversations).where(conversations.c.id == id))
            return gone.rowcount > 0

    async def purge(self, before_s: float) -> int:
        """Delete what was last changed before that moment; how many conversations that were."""
        async with self._transaction() as connection:
            old = delete(conversations).where(conversations.c.updated_at < before_s)
            return (await connection.execute(old)).rowcount

    async def count_turns(self, day: int, turns: int) -> int:
        """Add to the turns of a day; the sum."""
        async with self._transaction() as connection:
            counted = await connection.execute(COUNT_TURNS, {"day": day, "turns": turns})
            return int(counted.scalar_one())

    async def close(self) -> None:
        await self._engine.dispose()

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[AsyncConnection]:
        try:
            if not self._prepared:
                await self._prepare()
            async with self._engine.begin() as connection:
                yield connection
        except IntegrityError:
            raise
        except (SQLAlchemyError, OSError) as error:
            self._prepared = False
            raise StoreError(self._reason(error)) from None

    async def _prepare(self) -> None:
        """File and tables, if they are missing."""
        if self.kind == "sqlite" and await asyncio.to_thread(_make_file, Path(self._url.database or "")):
            self._file += 1
        async with self._engine.begin() as connection:
            if self.kind == "postgresql":
                await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": SCHEMA_LOCK})
            for table in metadata.sorted_tables:
                await connection.execute(CreateTable(table, if_not_exists=True))
            await connection.execute(CreateIndex(by_age, if_not_exists=True))
        self._prepared = True

    def _reason(self, error: Exception) -> str:
        """The driver's first line: SQLAlchemy's own text has the statement in it."""
        lines = str(getattr(error, "orig", None) or error).splitlines() or [type(error).__name__]
        return lines[0].replace(self._url.password, "***") if self._url.password else lines[0]


def _sqlite(url: URL, file: Callable[[], int]) -> AsyncEngine:
    """With few connections, as each is a thread; none is used for another `file` than the one it was made for. What
    is deleted is overwritten in the file."""
    engine = create_async_engine(
        url.set(drivername="sqlite+aiosqlite"),
        connect_args={"timeout": LOCKED_S},
        pool_size=2,
        max_overflow=0,
        pool_timeout=LOCKED_S,
        hide_parameters=True,
    )

    @event.listens_for(engine.sync_engine, "connect")
    def connected(connection: sqlite3.Connection, record: ConnectionPoolEntry) -> None:
        record.info["file"] = file()
        for pragma in ("foreign_keys = ON", "secure_delete = ON", "synchronous = NORMAL"):
            connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine.sync_engine, "checkout")
    def taken(_: object, record: ConnectionPoolEntry, __: object) -> None:
        if record.info["file"] != file():
            raise DisconnectionError  # the pool makes another

    return engine


def _postgres(url: URL) -> AsyncEngine:
    """Without prepared statements, which poolers such as PgBouncer may give to another connection."""
    defaults = {name: value for name, value in POSTGRES.items() if name not in url.query}
    return create_async_engine(
        url.set(drivername="postgresql+psycopg"),
        connect_args=defaults | {"prepare_threshold": None},
        pool_pre_ping=True,
        pool_timeout=LOCKED_S,
        hide_parameters=True,
    )


def _make_file(path: Path) -> bool:
    """Nobody else on the machine may read what was said; SQLite gives its journal the same mode. False: it is there."""
    if path.exists():
        return False
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    return True


async def _touch(connection: AsyncConnection, id: str, now_s: float, owner: str) -> bool:
    taken = update(conversations).where(conversations.c.id == id).values(owner=owner, updated_at=now_s)
    return (await connection.execute(taken)).rowcount > 0


async def _history(connection: AsyncConnection, id: str) -> History:
    of_it = select(messages).where(messages.c.conversation == id).order_by(messages.c.position)
    return tuple(Message(Role(row.role), row.text, row.interrupted) for row in await connection.execute(of_it))


def _row(id: str, position: int, message: Message) -> dict[str, Any]:
    return {
        "conversation": id,
        "position": position,
        "role": message.role.value,
        "text": _storable(message.text),
        "interrupted": message.interrupted,
    }


def _storable(words: str) -> str:
    """Without what is no character: Postgres takes no NUL, and UTF-8 no half of a surrogate pair."""
    return words.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()
