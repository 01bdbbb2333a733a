"""Reads and writes conversations in SQLite or Postgres."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from sqlalchemy import Column, ColumnElement, LargeBinary, cast, delete, event, func, insert, select, text, update
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DisconnectionError, IntegrityError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from voicebot.dialogue.events import ToolCallEnded
from voicebot.dialogue.history import History, Message, Role
from voicebot.dialogue.reply_state import UnfinishedReply
from voicebot.dialogue.tool_calls import CallRecord, CallStatus
from voicebot.runtime.limits import STORED_CALL_BYTES, STORED_MESSAGE_BYTES
from voicebot.runtime.threads import Threads
from voicebot.storage.imports import Import, UnusedImport, imports_to_delete, unpack
from voicebot.storage.record import ConversationRecord, Tail
from voicebot.storage.schema import SCHEMA_LOCK, Schema, SchemaError, first_line
from voicebot.storage.sqlite_file import FILE_ID, NO_FILE, FileId, SqliteFile, file_id
from voicebot.storage.tables import calls, conversations, imports, messages

LOCKED_S = 2.5
"""How long an operation waits while another program has locked SQLite's file, and as long again for those before it.

A transaction takes three syncs of the disk, which can be half a second on a slow one."""

COUNT_TURNS = text(
    "INSERT INTO daily_turns (day, turns) VALUES (:day, :turns)"
    " ON CONFLICT (day) DO UPDATE SET turns = daily_turns.turns + excluded.turns RETURNING turns"
)
"""A single statement, so that servers that share a database do not lose each other's counts. SQLite has `RETURNING`
since 3.35."""

POSTGRES: dict[str, Any] = {
    "connect_timeout": 2,
    # These notice a server that has vanished from the network
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
"""Parameters of libpq, unless DATABASE_URL sets them."""

IMPORT_LOCK = SCHEMA_LOCK + 1
"""The number of the advisory lock under which imports are stored, so that each server sees all of them."""

ROWS_AT_ONCE = 250
"""Messages are read and written in groups of this size, so that a long conversation does not hold up the event loop."""

PURGED_AT_ONCE = 10
"""How many old conversations are deleted in one transaction, because with SQLite all other operations wait for it."""

FREED_PAGES_AT_ONCE = 250
"""SQLite's file is shrunk in steps of 1 MB, for the same reason."""

INCREMENTAL = 2
"""The value of SQLite's `PRAGMA auto_vacuum` for this mode."""

TARGET_SHARE = 0.9
"""A database that is too large is reduced to this share of its maximum size, so that it does not overflow at once."""

CONNECT_TRIES = 3
"""How often an operation tries to connect when SQLite's file is deleted or replaced meanwhile."""


class StoreError(Exception):
    """An operation of the database failed. The text says why, and contains neither its password nor any messages."""


class WrongSchemaError(StoreError):
    """The schema of the database is not that of this program, and cannot be migrated. The text says what to do."""


class Takeover(Protocol):
    """A session that takes over a conversation."""

    def commit(self) -> bool:
        """Is called just before the commit. Returns False to prevent it, because the session no longer waits."""
        ...


class Database:
    """A database of conversations. Each method is one transaction, and raises StoreError if it fails.

    The file is created if it is missing, and the schema is migrated to the newest version. This is checked before the
    first operation, after an error, and when SQLite's file was deleted or replaced.
    """

    def __init__(self, url: str) -> None:
        self._url = make_url(url)
        self.kind = "sqlite" if self._url.drivername == "sqlite" else "postgresql"
        self._file = SqliteFile(Path(self._url.database or "")) if self.kind == "sqlite" else None
        self._engine = _postgres(self._url) if self._file is None else _sqlite(self._url, self._file)
        self._threads = Threads("conversations", 1)
        self._prepared: FileId | None = None
        """The file that has the newest schema, or NO_FILE if Postgres has it; None if that is not known."""
        self._schema = Schema(self._engine)

    @property
    def cancellable(self) -> bool:
        """True if an operation may be cancelled. With SQLite a cancellation during the connect would leave the
        connection open; operations end by themselves, in little more than twice `LOCKED_S`."""
        return self.kind == "postgresql"

    @property
    def migrating(self) -> bool:
        """True while the schema is migrated, which can take longer than an operation waits."""
        return self._schema.migrating

    @property
    def missing_file(self) -> Path | None:
        """SQLite's file if it does not exist yet. The first operation creates it."""
        return self._file.path if self._file is not None and self._file.id() is None else None

    async def earlier_version(self) -> str | None:
        """Returns the version of the database's schema if the next operation migrates it. Changes nothing."""
        with self._store_errors():
            return await self._schema.earlier_version()

    async def take(
        self, id: str, owner: str, now_s: float, takeover: Takeover | None = None
    ) -> ConversationRecord | None:
        """Makes `owner` the only session that can change the conversation, and returns what is stored of it.

        Returns None if there is no such conversation. An unused import becomes a conversation. Calls
        `takeover.commit()` just before the commit; if that returns False, changes nothing and raises StoreError.
        """
        async with self.transaction() as connection:
            record = await self._take(connection, id, owner, now_s)
            if record is not None and takeover is not None and not takeover.commit():
                raise StoreError("the session no longer waits for its conversation")
            return record

    async def _take(self, connection: AsyncConnection, id: str, owner: str, now_s: float) -> ConversationRecord | None:
        if await _touch(connection, id, now_s, owner):
            return await _record_of(connection, id)
        claimed = await connection.execute(delete(imports).where(imports.c.id == id).returning(imports.c.packed))
        packed = claimed.scalar()
        if packed is None:  # unless another server has claimed it between the two statements
            return await _record_of(connection, id) if await _touch(connection, id, now_s, owner) else None
        history = await self._threads.run(unpack, packed)
        await connection.execute(insert(conversations).values(id=id, owner=owner, updated_at=now_s))
        await _write_messages(connection, id, Tail(0, history))
        return ConversationRecord(history)

    async def read(self, id: str) -> ConversationRecord | None:
        """Returns the conversation or unused import; None if there is none."""
        async with self.transaction() as connection:
            known = await connection.execute(select(conversations.c.id).where(conversations.c.id == id))
            if known.first() is not None:
                return await _record_of(connection, id)
            packed = (await connection.execute(select(imports.c.packed).where(imports.c.id == id))).scalar()
        return None if packed is None else ConversationRecord(await self._threads.run(unpack, packed))

    async def put_import(self, id: str, label: str, now_s: float, imported: Import) -> bool:
        """Stores an unused import. Returns False if there is no room for it.

        Other unused imports may be deleted to make room: see `imports_to_delete`.
        """
        async with self.transaction() as connection:
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
        self,
        id: str,
        owner: str,
        now_s: float,
        last_messages: Tail[Message],
        last_calls: Tail[CallRecord] | None = None,
        unfinished: UnfinishedReply | None = None,
        *,
        new: bool = False,
    ) -> bool:
        """Replaces the last messages, the last calls, and what is unfinished.

        A missing conversation is created only if it is `new`. Returns False, and changes nothing, if the conversation
        has another owner or does not exist.
        """
        row = {"updated_at": now_s, **_unfinished_columns(unfinished, now_s)}
        try:
            return await self._save(id, owner, row, last_messages, last_calls, new=new)
        except IntegrityError:  # an earlier attempt that seemed to fail has created it, and another session owns it now
            return False

    async def _save(
        self,
        id: str,
        owner: str,
        row: Mapping[str, Any],
        last_messages: Tail[Message],
        last_calls: Tail[CallRecord] | None,
        *,
        new: bool,
    ) -> bool:
        async with self.transaction() as connection:
            mine = (conversations.c.id == id) & (conversations.c.owner == owner)
            touched = await connection.execute(update(conversations).where(mine).values(**row))
            if not touched.rowcount:
                if not new:
                    return False
                await connection.execute(insert(conversations).values(id=id, owner=owner, **row))
            later = (messages.c.conversation == id) & (messages.c.position >= last_messages.start)
            await connection.execute(delete(messages).where(later))
            await _write_messages(connection, id, last_messages)
            if last_calls is not None:
                later = (calls.c.conversation == id) & (calls.c.number >= last_calls.start)
                await connection.execute(delete(calls).where(later))
                await _write_calls(connection, id, last_calls)
            return True

    async def calls_of(self, id: str) -> tuple[CallRecord, ...]:
        """Returns the calls of a conversation, the oldest first."""
        async with self.transaction() as connection:
            return await _calls_of(connection, id)

    async def end_call(self, id: str, ended: ToolCallEnded) -> None:
        """Stores how a call has ended, whichever session the conversation belongs to.

        Changes nothing if there is no such call (any more), or if its end is known.
        """
        open_calls = calls.c.status.in_([CallStatus.RUNNING.value, CallStatus.UNKNOWN.value])
        this = (calls.c.conversation == id) & (calls.c.id == _storable(ended.call)) & open_calls
        end = {"status": ended.status.value, "result": _storable(ended.result), "reported": False}
        async with self.transaction() as connection:
            await connection.execute(update(calls).where(this).values(**end))

    async def delete(self, id: str) -> bool:
        """Deletes a conversation or unused import. Returns False if there was none."""
        async with self.transaction() as connection:
            unused = await connection.execute(delete(imports).where(imports.c.id == id))
            gone = await connection.execute(delete(conversations).where(conversations.c.id == id))
            return unused.rowcount + gone.rowcount > 0

    async def purge(self, before_s: float) -> int:
        """Deletes unused imports, and some conversations, last changed before that time. Returns their number.

        It has to be repeated until it returns 0: at most `PURGED_AT_ONCE` conversations are deleted at once.
        """
        async with self.transaction() as connection:
            unused = await connection.execute(delete(imports).where(imports.c.imported_at < before_s))
            # Stands in both statements: another server may take a conversation between them.
            is_old = conversations.c.updated_at < before_s
            oldest = select(conversations.c.id).where(is_old).order_by(conversations.c.updated_at).limit(PURGED_AT_ONCE)
            old = await connection.execute(delete(conversations).where(is_old, conversations.c.id.in_(oldest)))
            return unused.rowcount + old.rowcount

    async def make_room(self, most_bytes: int) -> tuple[int, int]:
        """Deletes the unused imports, and then the least recently used conversations, until `most_bytes` are not
        exceeded.

        Returns the numbers of deleted imports and conversations.
        """
        async with self.transaction() as connection:
            used = await self._used_bytes(connection, most_bytes)
            if used <= most_bytes:
                return 0, 0
            used -= (await connection.execute(select(func.coalesce(func.sum(imports.c.bytes), 0)))).scalar_one()
            unused = (await connection.execute(delete(imports))).rowcount
        evicted = 0
        while used > most_bytes * (TARGET_SHARE if evicted else 1):
            async with self.transaction() as connection:
                oldest = select(conversations.c.id).order_by(conversations.c.updated_at).limit(1)
                id = (await connection.execute(oldest)).scalar()
                if id is None:
                    break
                used -= await self._bytes_of(connection, id)
                evicted += (await connection.execute(delete(conversations).where(conversations.c.id == id))).rowcount
        return unused, evicted

    async def _used_bytes(self, connection: AsyncConnection, enough: int) -> int:
        """Returns the approximate size of the stored data.

        Postgres's files include the space of deleted rows. The data alone is measured only if the files exceed
        `enough`, because Postgres has to read all of it.
        """
        if self.kind == "sqlite":
            pages, free, size = [
                (await connection.exec_driver_sql(f"PRAGMA {name}")).scalar_one()
                for name in ("page_count", "freelist_count", "page_size")
            ]
            return int((pages - free) * size)
        sizes = [func.pg_total_relation_size(table.name) for table in (conversations, messages, calls, imports)]
        files = sum((await connection.execute(select(*sizes))).one())
        if files <= enough:
            return int(files)
        unused = await connection.execute(select(func.coalesce(func.sum(imports.c.bytes), 0)))
        return int(unused.scalar_one()) + await self._bytes_of(connection, None)

    async def _bytes_of(self, connection: AsyncConnection, id: str | None) -> int:
        """Returns the space that this conversation's messages and calls take, or those of all conversations for None.

        Of a call, its arguments and its result are counted; its other texts are short.
        """

        def length(column: Column[str]) -> ColumnElement[int]:
            if self.kind == "sqlite":
                return func.length(cast(column, LargeBinary))
            return func.pg_column_size(column)

        total = 0
        for table, size in (
            (messages, length(messages.c.text) + STORED_MESSAGE_BYTES),
            (calls, length(calls.c.arguments) + length(calls.c.result) + STORED_CALL_BYTES),
        ):
            asked = select(func.coalesce(func.sum(size), 0))
            if id is not None:
                asked = asked.where(table.c.conversation == id)
            total += int((await connection.execute(asked)).scalar_one())
        return total

    async def shrink(self) -> bool:
        """Returns some space of deleted rows to the disk. Returns True if there is more, so that it has to be repeated.

        Postgres does that by itself. A SQLite file that was created without `auto_vacuum` cannot shrink, but its free
        space is reused.
        """
        if self.kind != "sqlite":
            return False
        async with self.transaction() as connection:
            # Not execute(), which would stop after the first page
            driver = (await connection.get_raw_connection()).driver_connection
            assert driver is not None
            await driver.executescript(f"PRAGMA incremental_vacuum({FREED_PAGES_AT_ONCE})")
            free = (await connection.exec_driver_sql("PRAGMA freelist_count")).scalar_one()
            mode = (await connection.exec_driver_sql("PRAGMA auto_vacuum")).scalar_one()
            return bool(free) and mode == INCREMENTAL

    async def count_turns(self, day: int, turns: int) -> int:
        """Adds `turns` to the count of a day, and returns the new count."""
        async with self.transaction() as connection:
            counted = await connection.execute(COUNT_TURNS, {"day": day, "turns": turns})
            return int(counted.scalar_one())

    async def close(self) -> None:
        """Closes all connections. A migration that still runs is rolled back."""
        await self._schema.close(0 if self.cancellable else LOCKED_S)
        self._threads.close()
        await self._engine.dispose()

    async def owners(self, ids: Collection[str]) -> dict[str, str]:
        """Returns the owners of those of these conversations that are stored."""
        asked = select(conversations.c.id, conversations.c.owner).where(conversations.c.id.in_(ids))
        async with self.transaction() as connection:
            return {row.id: row.owner for row in await connection.execute(asked)}

    async def notifications(self, channel: str) -> AsyncGenerator[str | None]:
        """Yields the messages that Postgres sends on this channel, on a connection of its own; first None, once it is
        connected. Raises StoreError if the connection breaks."""
        import psycopg  # a process on SQLite need not load it

        _, arguments = self._engine.dialect.create_connect_args(self._url)
        defaults = {name: value for name, value in POSTGRES.items() if name not in self._url.query}
        try:
            async with await psycopg.AsyncConnection.connect(
                **{**defaults, **arguments}, autocommit=True
            ) as connection:
                await connection.execute(psycopg.sql.SQL("LISTEN {}").format(psycopg.sql.Identifier(channel)))
                yield None
                async for notification in connection.notifies():
                    yield notification.payload
        except (psycopg.Error, OSError) as error:
            raise StoreError(self._reason(error)) from None

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """Returns a connection in a transaction, which commits unless the block raises an error. Raises StoreError."""
        with self._store_errors():
            async with aclosing(await self._connect()) as connection, connection.begin():
                yield connection
        # The pool gives its connection to whoever asks first. Operations that wait for it must come before the next one
        # of this task, or a loop of transactions would keep all others waiting.
        await asyncio.sleep(0)

    @contextmanager
    def _store_errors(self) -> Iterator[None]:
        """Raises StoreError for any failure except IntegrityError. If the database has failed, its schema is checked
        again."""
        try:
            yield
        except IntegrityError:
            raise
        except PoolTimeoutError:
            raise StoreError(f"all connections were in use for {LOCKED_S:g} s") from None
        except (SchemaError, SQLAlchemyError, sqlite3.Error, OSError) as error:
            self._prepared = None
            kind = WrongSchemaError if isinstance(error, SchemaError) else StoreError
            raise kind(self._reason(error)) from None

    async def _connect(self) -> AsyncConnection:
        """Returns a connection to a database that has the newest schema.

        Another operation may find at the same time that SQLite's file was deleted, and create a new one that has no
        tables yet. So only a connection to the file whose schema was checked is accepted.
        """
        for _ in range(CONNECT_TRIES):
            if self._prepared is None or self._prepared != self._present():
                await self._prepare()
            connection = await self._engine.connect()
            if file_id(connection) == self._prepared:
                return connection
            await connection.close()
        raise DisconnectionError("the file was deleted or replaced again and again")

    def _present(self) -> FileId | None:
        """Returns the id of the file at the path; NO_FILE for Postgres; None if there is no file."""
        return NO_FILE if self._file is None else self._file.id()

    async def _prepare(self) -> None:
        """Creates the file if it is missing, and migrates the schema if it is not the newest."""
        if self._file is not None:
            await asyncio.to_thread(self._file.make)
        self._prepared = await self._schema.prepare()

    def _reason(self, error: Exception) -> str:
        """Returns the first line of the error's text, without the password."""
        line = first_line(error)
        return line.replace(self._url.password, "***") if self._url.password else line


def _sqlite(url: URL, file: SqliteFile) -> AsyncEngine:
    """Returns an engine with one connection, so that operations wait for each other and are not refused by a lock.

    SQLite must not create the file, because other users could read it. A connection is used only while its file is
    still at the path.
    """
    engine = create_async_engine(
        url.set(
            drivername="sqlite+aiosqlite",
            database=f"file:{quote(str(file.path.absolute()))}",
            query={**url.query, "mode": "rw", "uri": "true"},
        ),
        connect_args={"timeout": LOCKED_S},
        pool_size=1,
        max_overflow=0,
        pool_timeout=LOCKED_S,
        hide_parameters=True,
    )

    @event.listens_for(engine.sync_engine, "do_connect")
    def connects(_: object, record: ConnectionPoolEntry, __: object, ___: object) -> None:
        # This is before the file is opened, so that the ids differ if it is replaced meanwhile.
        record.info[FILE_ID] = file.id()

    @event.listens_for(engine.sync_engine, "connect")
    def connected(connection: sqlite3.Connection, _: object) -> None:
        # `shrink` needs `auto_vacuum`; with `secure_delete`, deleted text is overwritten in the file
        pragmas = ("auto_vacuum = INCREMENTAL", "foreign_keys = ON", "secure_delete = ON", "synchronous = NORMAL")
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine.sync_engine, "checkout")
    def taken(_: object, record: ConnectionPoolEntry, __: object) -> None:
        if record.info[FILE_ID] is None or record.info[FILE_ID] != file.id():
            raise DisconnectionError("the file was deleted or replaced")  # the pool then opens another connection

    return engine


def _postgres(url: URL) -> AsyncEngine:
    """Returns an engine without prepared statements, because poolers such as PgBouncer confuse them."""
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


async def _calls_of(connection: AsyncConnection, id: str) -> tuple[CallRecord, ...]:
    columns = [calls.c[field.name] for field in fields(CallRecord)]
    rows = await connection.execute(select(*columns).where(calls.c.conversation == id).order_by(calls.c.number))
    return tuple(CallRecord(**{**row, "status": CallStatus(row["status"])}) for row in rows.mappings())


async def _record_of(connection: AsyncConnection, id: str) -> ConversationRecord:
    history, calls = await history_of(connection, id), await _calls_of(connection, id)
    row = (await connection.execute(select(conversations).where(conversations.c.id == id))).first()
    if row is None or row.unfinished_text is None:  # another server may have deleted it just now
        return ConversationRecord(history, calls)
    unfinished = UnfinishedReply(row.unfinished_text, row.unfinished_begun, row.unfinished_counted)
    return ConversationRecord(history, calls, unfinished, row.unfinished_at)


def _unfinished_columns(unfinished: UnfinishedReply | None, now_s: float) -> dict[str, Any]:
    return {
        "unfinished_text": None if unfinished is None else _storable(unfinished.text),
        "unfinished_begun": None if unfinished is None else unfinished.begun,
        "unfinished_counted": None if unfinished is None else unfinished.counted,
        "unfinished_at": None if unfinished is None else now_s,
    }


async def _write_messages(connection: AsyncConnection, id: str, tail: Tail[Message]) -> None:
    for first in range(0, len(tail.items), ROWS_AT_ONCE):
        piece = enumerate(tail.items[first : first + ROWS_AT_ONCE], tail.start + first)
        rows = [_message_row(id, position, message) for position, message in piece]
        await connection.execute(insert(messages), rows)


async def _write_calls(connection: AsyncConnection, id: str, tail: Tail[CallRecord]) -> None:
    rows = [_call_row(id, number, call) for number, call in enumerate(tail.items, tail.start)]
    if rows:
        await connection.execute(insert(calls), rows)


def _call_row(id: str, number: int, call: CallRecord) -> dict[str, Any]:
    texts = {name: _storable(value) for name, value in asdict(call).items() if isinstance(value, str)}
    return {**asdict(call), **texts, "conversation": id, "number": number}


def _message_row(id: str, position: int, message: Message) -> dict[str, Any]:
    return {
        "conversation": id,
        "position": position,
        "role": message.role.value,
        "text": _storable(message.text),
        "interrupted": message.interrupted,
    }


def _storable(words: str) -> str:
    """Replaces characters that cannot be stored: NUL in Postgres, and lone surrogates in UTF-8."""
    return words.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()
