"""The statements on the tables that the processes on one database share while they run.

All times are by the clock of the database, so that the clocks of the machines need not agree.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Double, Row, and_, delete, func, literal_column, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from voicebot.storage.schema import SCHEMA_LOCK
from voicebot.storage.tables import call_leases, lease_holders, leases, talk_times, wrong_passwords

LIFE_S = 15.0
"""The leases of a process expire this long after their last renewal. If a renewal fails, the next one may come 11 s
after the last that succeeded: 3 s to the one that fails, 2 s until it has failed, 5 s until the database is asked
whether it works again, and a second more."""

LEASE_LOCK = SCHEMA_LOCK + 2
"""The number of Postgres's advisory lock under which places are counted and taken."""

CHANNEL = "voicebot_leases"
"""The channel of Postgres on which a process is told that one of its conversations is wanted. The message is its
name as a holder."""

NOW = {
    "sqlite": "((julianday('now') - 2440587.5) * 86400.0)",
    "postgresql": "CAST(extract(epoch FROM clock_timestamp()) AS double precision)",
}
"""Seconds since 1970 by the clock of the database. SQLite's `unixepoch` has no fractions before 3.42."""

PUT_LEASE = text(
    "INSERT INTO leases (id, holder, label, conversation, wanted)"
    " VALUES (:id, :holder, :label, :conversation, :wanted)"
    " ON CONFLICT (id) DO UPDATE SET conversation = excluded.conversation"
)

PUT_CALL = text(
    "INSERT INTO call_leases (conversation, call, holder) VALUES (:conversation, :call, :holder)"
    " ON CONFLICT (conversation, call) DO UPDATE SET holder = excluded.holder"
)

ADD_TALK_TIME = text(
    "INSERT INTO talk_times (day, label, seconds) VALUES (:day, :label, :seconds)"
    " ON CONFLICT (day, label) DO UPDATE SET seconds = talk_times.seconds + excluded.seconds RETURNING seconds"
)


class Lease(NamedTuple):
    """The place of one session. `label` stands for its address."""

    id: str
    label: str
    conversation: str | None


class LeaseTables:
    """The shared tables, as one holder uses them. All methods are parts of a transaction."""

    def __init__(self, kind: str, holder: str) -> None:
        self._sqlite = kind == "sqlite"
        self._holder = holder
        self._now: ColumnElement[float] = literal_column(NOW[kind], Double)
        # A holder that died before the clock was set back must not live for as long as that.
        self._lives = lease_holders.c.expires_at.between(self._now, self._now + LIFE_S + 1)
        self._alive = and_(lease_holders.c.id == leases.c.holder, self._lives)
        now, older = NOW[kind], "wrong_passwords.forgotten_at"
        later = f"CASE WHEN {older} > {now} THEN {older} ELSE {now} END"
        self._begin_to_hold = text(
            f"INSERT INTO lease_holders (id, expires_at) VALUES (:id, {now} + {LIFE_S})"
            " ON CONFLICT (id) DO UPDATE SET expires_at = excluded.expires_at"
        )
        self._count_guess = text(
            f"INSERT INTO wrong_passwords (name, forgotten_at) VALUES (:name, {now} + :token_s)"
            f" ON CONFLICT (name) DO UPDATE SET forgotten_at = {later} + :token_s"
            f" RETURNING wrong_passwords.forgotten_at - {now}"
        )

    async def lock(self, connection: AsyncConnection) -> None:
        """Waits until no other process counts and takes places. Must come first in the transaction."""
        if self._sqlite:
            await connection.exec_driver_sql("BEGIN IMMEDIATE")  # Python's driver would begin only before an INSERT
        else:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LEASE_LOCK})

    # The holder and its leases ----------------------------------------------------------------------------------------

    async def renew(self, connection: AsyncConnection) -> bool:
        """Renews all leases of this process. Returns False if they were deleted, as it was taken for dead."""
        expires = {"expires_at": self._now + LIFE_S}
        mine = lease_holders.c.id == self._holder
        if (await connection.execute(update(lease_holders).where(mine).values(expires))).rowcount:
            return True
        await connection.execute(self._begin_to_hold, {"id": self._holder})  # another transaction may do so as well
        return False

    async def resign(self, connection: AsyncConnection) -> None:
        """Deletes this process and all of its leases."""
        await connection.execute(delete(lease_holders).where(lease_holders.c.id == self._holder))

    async def restore(
        self,
        connection: AsyncConnection,
        held: Iterable[Lease],
        ending: Iterable[str],
        calls: Iterable[tuple[str, str]],
    ) -> None:
        """Makes these the leases of this process, whatever is stored. Those in `ending` are kept as they are."""
        held, calls = list(held), list(calls)
        others = leases.c.id.not_in([*(lease.id for lease in held), *ending])
        await connection.execute(delete(leases).where(leases.c.holder == self._holder, others))
        await self.put(connection, held)
        await connection.execute(delete(call_leases).where(call_leases.c.holder == self._holder))
        await self.put_calls(connection, calls)

    async def put(self, connection: AsyncConnection, new: Iterable[Lease]) -> None:
        rows = [{**lease._asdict(), "holder": self._holder, "wanted": False} for lease in new]
        if rows:
            await connection.execute(PUT_LEASE, rows)

    async def vacate(self, connection: AsyncConnection, ids: Collection[str]) -> None:
        """Gives the places back, but keeps their leases, as the last words of their sessions are not stored yet."""
        if ids:
            await connection.execute(update(leases).where(leases.c.id.in_(ids)).values(wanted=True))

    async def release(self, connection: AsyncConnection, ids: Collection[str]) -> None:
        if ids:
            await connection.execute(delete(leases).where(leases.c.id.in_(ids)))

    async def counted(self, connection: AsyncConnection) -> list[Lease]:
        """Returns the places that are taken: of living holders, and not wanted by another session."""
        columns = select(leases.c.id, leases.c.label, leases.c.conversation)
        taken = columns.join(lease_holders, self._alive).where(leases.c.wanted.is_(False))
        return [Lease(*row) for row in await connection.execute(taken)]

    async def count_holders(self, connection: AsyncConnection) -> int:
        alive = select(func.count()).select_from(lease_holders).where(self._lives)
        return int((await connection.execute(alive)).scalar_one())

    # Conversations that are taken over --------------------------------------------------------------------------------

    async def want(self, connection: AsyncConnection, conversation: str) -> bool:
        """Asks the other processes to give the conversation up. Returns whether a place becomes free by that."""
        theirs = and_(leases.c.conversation == conversation, leases.c.holder != self._holder)
        marking = update(leases).where(theirs, leases.c.wanted.is_(False)).values(wanted=True)
        marked = {row.holder for row in await connection.execute(marking.returning(leases.c.holder))}
        alive = await self.other_holders(connection, conversation) if marked else set()
        if not self._sqlite:
            for holder in sorted(alive):
                await connection.execute(select(func.pg_notify(CHANNEL, holder)))
        return bool(marked & alive)

    async def other_holders(self, connection: AsyncConnection, conversation: str) -> set[str]:
        """Returns the other living processes with a session in this conversation."""
        theirs = and_(leases.c.conversation == conversation, leases.c.holder != self._holder)
        asked = select(leases.c.holder).join(lease_holders, self._alive).where(theirs)
        return set((await connection.execute(asked)).scalars())

    async def wanted(self, connection: AsyncConnection) -> list[str]:
        """Returns the leases of this process whose conversations other sessions want."""
        asked = select(leases.c.id).where(leases.c.holder == self._holder, leases.c.wanted.is_(True))
        return list((await connection.execute(asked)).scalars())

    # Calls of tools ---------------------------------------------------------------------------------------------------

    async def put_calls(self, connection: AsyncConnection, calls: Iterable[tuple[str, str]]) -> None:
        """Notes that this process works on these calls: pairs of a conversation and a call's identifier."""
        rows = [{"conversation": conversation, "call": call, "holder": self._holder} for conversation, call in calls]
        if rows:
            await connection.execute(PUT_CALL, rows)

    async def end_calls(self, connection: AsyncConnection, calls: Iterable[tuple[str, str]]) -> None:
        for conversation, call in calls:
            this = and_(call_leases.c.conversation == conversation, call_leases.c.call == call)
            await connection.execute(delete(call_leases).where(this, call_leases.c.holder == self._holder))

    async def worked_on(self, connection: AsyncConnection, conversation: str) -> dict[str, str]:
        """Returns the calls of the conversation that living processes work on, each with its holder."""
        alive = and_(lease_holders.c.id == call_leases.c.holder, self._lives)
        asked = select(call_leases.c.call, call_leases.c.holder).join(lease_holders, alive)
        found: Iterable[Row[Any]] = await connection.execute(asked.where(call_leases.c.conversation == conversation))
        return {row.call: row.holder for row in found}

    # Limits -----------------------------------------------------------------------------------------------------------

    async def add_talk_times(
        self, connection: AsyncConnection, seconds: Mapping[tuple[int, str], float]
    ) -> dict[tuple[int, str], float]:
        """Adds to the times of addresses, by day and label. Returns the sums."""
        sums = {}
        for day, label in sorted(seconds):  # in one order, so that no two processes wait for each other
            row = {"day": day, "label": label, "seconds": seconds[day, label]}
            sums[day, label] = float((await connection.execute(ADD_TALK_TIME, row)).scalar_one())
        return sums

    async def talk_times(
        self, connection: AsyncConnection, day: int, labels: Collection[str]
    ) -> dict[tuple[int, str], float]:
        asked = select(talk_times.c.label, talk_times.c.seconds)
        found = await connection.execute(asked.where(talk_times.c.day == day, talk_times.c.label.in_(labels)))
        return {(day, row.label): row.seconds for row in found}

    async def count_guess(self, connection: AsyncConnection, name: str, token_s: float) -> float:
        """Counts a wrong password. Returns the seconds until the guesses under this name are forgotten."""
        return float((await connection.execute(self._count_guess, {"name": name, "token_s": token_s})).scalar_one())

    async def purge(self, connection: AsyncConnection, day: int) -> None:
        """Deletes what has expired: processes with their leases, days before this one, and guesses."""
        await connection.execute(delete(lease_holders).where(~self._lives))
        await connection.execute(delete(talk_times).where(talk_times.c.day < day))
        await connection.execute(delete(wrong_passwords).where(wrong_passwords.c.forgotten_at < self._now))
