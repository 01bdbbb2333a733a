"""Asks a database, SQLite or Postgres, for conversations."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from urllib.parse import quote

from sqlalchemy import LargeBinary, cast, delete, event, func, insert, select, text, update
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DisconnectionError, IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.schema import CreateIndex, CreateTable

from voicebot.dialogue.history import History, Message, Role
from voicebot.runtime.limits import STORED_MESSAGE_BYTES
from voicebot.runtime.threads import Threads
from voicebot.storage.imports import Import, UnusedImport, imports_to_delete, unpack
from voicebot.storage.tables import by_age, conversations, imports, messages, metadata

LOCKED_S = 1.0
"""How long a question waits while another program has locked SQLite's file, or while others use all connections."""

COUNT_TURNS = text(
    "INSERT INTO daily_turns (day, turns) VALUES (:day, :turns)"
    " ON CONFLICT (day) DO UPDATE SET turns = daily_turns.turns + excluded.turns RETURNING turns"
)
"""It is one statement, so that no two servers count the same turn. SQLite knows it since 3.35."""

POSTGRES: dict[str, Any] = {
    "connect_timeout": 2,
    # These notice a server that has vanished from the network
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
"""Parameters of libpq, unless DATABASE_URL sets them."""

SCHEMA_LOCK = 0x766F696365626F74
"""A number that no other program uses. Two servers that start at once make the tables one after the other."""

IMPORT_LOCK = SCHEMA_LOCK + 1
"""Two servers that store an import at once do so one after the other, so that both see all imports."""

ROWS_AT_ONCE = 250
"""Messages are read and written in groups of this size, so that a long conversation does not hold up the event loop."""

FREED_PAGES_AT_ONCE = 250
"""SQLite's file is made smaller in steps of 1 MB, because nobody else can write meanwhile."""

INCREMENTAL = 2
"""SQLite's number for this mode of `auto_vacuum`."""

TARGET_SHARE = 0.9
"""A database that is too large is made smaller than it must be, so that this does not happen all the time."""

FILE_ID = "file_id"
"""The key of a pooled connection's `info` that holds the FileId of the SQLite file it was opened on."""

CONNECT_TRIES = 3
"""How often a question tries to connect when SQLite's file is deleted or replaced meanwhile."""

SCHEMA: tuple[CreateTable | CreateIndex, ...] = (
    *(CreateTable(table, if_not_exists=True) for table in metadata.sorted_tables),
    CreateIndex(by_age, if_not_exists=True),
)


class StoreError(Exception):
    """The database could not be asked. The text says why, without its password and without what was said."""


class Takeover(Protocol):
    """The session that a conversation is taken over for."""

    def commit(self) -> bool:
        """Is called just before the commit. Returns False if the session no longer waits: then nothing is committed."""
        ...


class FileId(NamedTuple):
    """Tells a file from another one at the same path. No other file has the same id while this one is open."""

    device: int
    inode: int


NO_FILE = FileId(0, 0)
"""Stands for Postgres."""


class SqliteFile:
    """The file of a SQLite database. It can be deleted or replaced at any time."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def id(self) -> FileId | None:
        """Returns the id of the file that is at the path now; None if there is none."""
        try:
            status = self.path.stat()
        except OSError:
            return None
        return FileId(status.st_dev, status.st_ino)

    def make(self) -> None:
        """Makes an empty file that only this user can read, unless there is a file. SQLite gives its journal the same
        permissions. Raises OSError."""
        if not self.path.exists():
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))


class Database:
    """Every question is one transaction, and raises StoreError if it could not be answered.

    The file and the tables are made if they are missing: before the first question, after an error, and when SQLite's
    file was deleted or replaced.
    """

    def __init__(self, url: str) -> None:
        self._url = make_url(url)
        self.kind = "sqlite" if self._url.drivername == "sqlite" else "postgresql"
        self._file = SqliteFile(Path(self._url.database or "")) if self.kind == "sqlite" else None
        self._engine = _postgres(self._url) if self._file is None else _sqlite(self._url, self._file)
        self._threads = Threads("conversations", 1)
        self._prepared: FileId | None = None
        """The file that has the tables, or NO_FILE if Postgres has them; None if that is not known."""

    @property
    def cancellable(self) -> bool:
        """True if a question can be cancelled. A question to SQLite ends by itself, in a little more than LOCKED_S:
        cancelled while it connects, it would leave the connection open."""
        return self.kind == "postgresql"

    @property
    def missing_file(self) -> Path | None:
        """SQLite's file if it does not exist. The first question makes it."""
        return self._file.path if self._file is not None and self._file.id() is None else None

    async def take(self, id: str, owner: str, now_s: float, takeover: Takeover | None = None) -> History | None:
        """Returns the conversation, or None if there is none. From now on only `owner` can change it. An unused import
        becomes a conversation.

        Calls `takeover.commit()` just before the commit. If that returns False, nothing is changed, and StoreError is
        raised.
        """
        async with self._transaction() as connection:
            history = await self._take(connection, id, owner, now_s)
            if history is not None and takeover is not None and not takeover.commit():
                raise StoreError("nobody waits for the answer any more")
            return history

    async def _take(self, connection: AsyncConnection, id: str, owner: str, now_s: float) -> History | None:
        if await _touch(connection, id, now_s, owner):
            return await history_of(connection, id)
        claimed = await connection.execute(delete(imports).where(imports.c.id == id).returning(imports.c.packed))
        packed = claimed.scalar()
        if packed is None:  # unless another server has claimed it between the two statements
            return await history_of(connection, id) if await _touch(connection, id, now_s, owner) else None
        history = await self._threads.run(unpack, packed)
        await connection.execute(insert(conversations).values(id=id, owner=owner, updated_at=now_s))
        await _write(connection, id, 0, history)
        return history

    async def read(self, id: str) -> History | None:
        """Returns the conversation or unused import; None if there is none."""
        async with self._transaction() as connection:
            known = await connection.execute(select(conversations.c.id).where(conversations.c.id == id))
            if known.first() is not None:
                return await history_of(connection, id)
            packed = (await connection.execute(select(imports.c.packed).where(imports.c.id == id))).scalar()
        return None if packed is None else await self._threads.run(unpack, packed)

    async def put_import(self, id: str, label: str, now_s: float, imported: Import) -> bool:
        """Stores an unused import. Returns False if there is no room for it. Others can be deleted for it: see
        `imports_to_delete`."""
        async with self._transaction() as connection:
            if self.kind == "postgresql":
                await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": IMPORT_LOCK})
            row = {"id": id, "label": label, "imported_at": now_s, "packed": imported.packed}
            await connection.execute(insert(imports).values(bytes=len(imported.packed), **row))
            columns = (imports.c.id, imports.c.label, imports.c.bytes)
            rows = await connection.execute(select(*columns).order_by(imports.c.imported_at, imports.c.id))
            gone = imports_to_delete(UnusedImport(row.id, row.label, row.bytes) for row in rows)
            if gone:
                await connection.execute(delete(imports).where(imports.c.id.in_(gone)))
            return id not in gone

    async def save(
        self, id: str, owner: str, now_s: float, start: int, rest: Sequence[Message], *, new: bool = False
    ) -> bool:
        """Replaces the messages from `start` on by `rest`. Only a `new` conversation is made if it does not exist.

        Returns False, and changes nothing, if the conversation has another owner or does not exist.
        """
        try:
            return await self._save(id, owner, now_s, start, rest, new=new)
        except IntegrityError:  # an earlier try made it without telling us, and then somebody else took it over
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
            await _write(connection, id, start, rest)
            return True

    async def delete(self, id: str) -> bool:
        """Deletes a conversation or unused import. Returns False if there was none."""
        async with self._transaction() as connection:
            unused = await connection.execute(delete(imports).where(imports.c.id == id))
            gone = await connection.execute(delete(conversations).where(conversations.c.id == id))
            return unused.rowcount + gone.rowcount > 0

    async def purge(self, before_s: float) -> int:
        """Deletes what was last changed before that time. Returns the number of conversations and unused imports."""
        async with self._transaction() as connection:
            unused = await connection.execute(delete(imports).where(imports.c.imported_at < before_s))
            old = await connection.execute(delete(conversations).where(conversations.c.updated_at < before_s))
            return unused.rowcount + old.rowcount

    async def make_room(self, most_bytes: int) -> tuple[int, int]:
        """Makes the database smaller if it holds more than `most_bytes`: deletes the unused imports, and if that is not
        enough the conversations that were used longest ago. Returns the numbers of both."""
        async with self._transaction() as connection:
            used = await self._used_bytes(connection, most_bytes)
            if used <= most_bytes:
                return 0, 0
            used -= (await connection.execute(select(func.coalesce(func.sum(imports.c.bytes), 0)))).scalar_one()
            unused = (await connection.execute(delete(imports))).rowcount
        evicted = 0
        while used > most_bytes * (TARGET_SHARE if evicted else 1):
            async with self._transaction() as connection:
                oldest = select(conversations.c.id).order_by(conversations.c.updated_at).limit(1)
                id = (await connection.execute(oldest)).scalar()
                if id is None:
                    break
                used -= await self._message_bytes(connection, id)
                evicted += (await connection.execute(delete(conversations).where(conversations.c.id == id))).rowcount
        return unused, evicted

    async def _used_bytes(self, connection: AsyncConnection, enough: int) -> int:
        """Returns about how much the database holds. Postgres keeps the space of deleted rows. It is left out only if
        the files are longer than `enough`, because Postgres has to read everything for that."""
        if self.kind == "sqlite":
            pages, free, size = [
                (await connection.exec_driver_sql(f"PRAGMA {name}")).scalar_one()
                for name in ("page_count", "freelist_count", "page_size")
            ]
            return int((pages - free) * size)
        sizes = [func.pg_total_relation_size(table.name) for table in (conversations, messages, imports)]
        files = sum((await connection.execute(select(*sizes))).one())
        if files <= enough:
            return int(files)
        unused = await connection.execute(select(func.coalesce(func.sum(imports.c.bytes), 0)))
        return int(unused.scalar_one()) + await self._message_bytes(connection, None)

    async def _message_bytes(self, connection: AsyncConnection, id: str | None) -> int:
        """Returns the space that the messages of this conversation take, or of all."""
        if self.kind == "sqlite":
            length = func.length(cast(messages.c.text, LargeBinary))
        else:
            length = func.pg_column_size(messages.c.text)
        asked = select(func.coalesce(func.sum(length + STORED_MESSAGE_BYTES), 0))
        if id is not None:
            asked = asked.where(messages.c.conversation == id)
        return int((await connection.execute(asked)).scalar_one())

    async def shrink(self) -> None:
        """Gives the space of deleted rows back to the disk. Postgres does that by itself.

        A SQLite file that was made without `auto_vacuum` cannot become smaller, but its free space is used again.
        """
        while self.kind == "sqlite":
            async with self._transaction() as connection:
                # Not execute(), which would stop after the first page
                driver = (await connection.get_raw_connection()).driver_connection
                assert driver is not None
                await driver.executescript(f"PRAGMA incremental_vacuum({FREED_PAGES_AT_ONCE})")
                free = (await connection.exec_driver_sql("PRAGMA freelist_count")).scalar_one()
                mode = (await connection.exec_driver_sql("PRAGMA auto_vacuum")).scalar_one()
            if not free or mode != INCREMENTAL:
                return

    async def count_turns(self, day: int, turns: int) -> int:
        """Adds to the turns of a day, and returns the sum."""
        async with self._transaction() as connection:
            counted = await connection.execute(COUNT_TURNS, {"day": day, "turns": turns})
            return int(counted.scalar_one())

    async def close(self) -> None:
        self._threads.close()
        await self._engine.dispose()

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[AsyncConnection]:
        try:
            async with aclosing(await self._connect()) as connection, connection.begin():
                yield connection
        except IntegrityError:
            raise
        except (SQLAlchemyError, sqlite3.Error, OSError) as error:
            self._prepared = None
            raise StoreError(self._reason(error)) from None

    async def _connect(self) -> AsyncConnection:
        """Returns a connection to a database that has its tables.

        Meanwhile another question may find that SQLite's file was deleted, and make a new one, which has no tables at
        first. So only a connection to the file whose tables were made is good.
        """
        for _ in range(CONNECT_TRIES):
            if self._prepared is None or self._prepared != self._present():
                await self._prepare()
            connection = await self._engine.connect()
            if connection.info.get(FILE_ID, NO_FILE) == self._prepared:
                return connection
            await connection.close()
        raise DisconnectionError("the file was deleted or replaced again and again")

    def _present(self) -> FileId | None:
        """Returns the id of the file that is there now; NO_FILE for Postgres."""
        return NO_FILE if self._file is None else self._file.id()

    async def _prepare(self) -> None:
        """Makes the file and the tables if they are missing."""
        if self._file is not None:
            await asyncio.to_thread(self._file.make)
        async with self._engine.begin() as connection:
            if self.kind == "postgresql":
                await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": SCHEMA_LOCK})
            else:
                await connection.exec_driver_sql("BEGIN")  # Python's driver would commit each table by itself
            for statement in SCHEMA:
                await connection.execute(statement)
            prepared: FileId = connection.info.get(FILE_ID, NO_FILE)
        self._prepared = prepared

    def _reason(self, error: Exception) -> str:
        """Returns the first line of the driver's message. SQLAlchemy's own message contains the statement."""
        lines = str(getattr(error, "orig", None) or error).splitlines() or [type(error).__name__]
        return lines[0].replace(self._url.password, "***") if self._url.password else lines[0]


def _sqlite(url: URL, file: SqliteFile) -> AsyncEngine:
    """Makes few connections, because each is a thread. SQLite must not make the file, because others could read it. A
    connection is used only while the file that it was opened on is still at its path."""
    engine = create_async_engine(
        url.set(
            drivername="sqlite+aiosqlite",
            database=f"file:{quote(str(file.path.absolute()))}",
            query={**url.query, "mode": "rw", "uri": "true"},
        ),
        connect_args={"timeout": LOCKED_S},
        pool_size=2,
        max_overflow=0,
        pool_timeout=LOCKED_S,
        hide_parameters=True,
    )

    @event.listens_for(engine.sync_engine, "do_connect")
    def connects(_: object, record: ConnectionPoolEntry, __: object, ___: object) -> None:
        record.info[FILE_ID] = (
            file.id()
        )  # before the file is opened, so that the ids differ if it is replaced meanwhile

    @event.listens_for(engine.sync_engine, "connect")
    def connected(connection: sqlite3.Connection, _: object) -> None:
        # `shrink` needs `auto_vacuum`; with `secure_delete`, deleted text is overwritten in the file
        pragmas = ("auto_vacuum = INCREMENTAL", "foreign_keys = ON", "secure_delete = ON", "synchronous = NORMAL")
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine.sync_engine, "checkout")
    def taken(_: object, record: ConnectionPoolEntry, __: object) -> None:
        if record.info[FILE_ID] is None or record.info[FILE_ID] != file.id():
            raise DisconnectionError("the file was deleted or replaced")  # the pool makes another

    return engine


def _postgres(url: URL) -> AsyncEngine:
    """Prepared statements are not used, because poolers such as PgBouncer can give them to another connection."""
    defaults = {name: value for name, value in POSTGRES.items() if name not in url.query}
    return create_async_engine(
        url.set(drivername="postgresql+psycopg"),
        connect_args=defaults | {"prepare_threshold": None},
        pool_pre_ping=True,
        pool_timeout=LOCKED_S,
        hide_parameters=True,
    )


async def _touch(connection: AsyncConnection, id: str, now_s: float, owner: str) -> bool:
    taken = update(conversations).where(conversations.c.id == id).values(owner=owner, updated_at=now_s)
    return (await connection.execute(taken)).rowcount > 0


async def history_of(connection: AsyncConnection, id: str) -> History:
    """Returns the messages of a conversation, in order. The event loop goes on between groups of them."""
    of_it = select(messages).where(messages.c.conversation == id).order_by(messages.c.position)
    history: list[Message] = []
    for rows in (await connection.execute(of_it)).partitions(ROWS_AT_ONCE):
        history += [Message(Role(row.role), row.text, row.interrupted) for row in rows]
        await asyncio.sleep(0)
    return tuple(history)


async def _write(connection: AsyncConnection, id: str, start: int, rest: Sequence[Message]) -> None:
    for first in range(0, len(rest), ROWS_AT_ONCE):
        piece = enumerate(rest[first : first + ROWS_AT_ONCE], start + first)
        await connection.execute(insert(messages), [_row(id, position, message) for position, message in piece])


def _row(id: str, position: int, message: Message) -> dict[str, Any]:
    return {
        "conversation": id,
        "position": position,
        "role": message.role.value,
        "text": _storable(message.text),
        "interrupted": message.interrupted,
    }


def _storable(words: str) -> str:
    """Replaces what cannot be stored: Postgres takes no NUL, and UTF-8 no half of a surrogate pair."""
    return words.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()
