"""Runs the app with honest users in it, and attacks it again and again."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import subprocess
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from tests.attacks import figures
from tests.attacks.attack import Attack, Lock, Place
from tests.attacks.attacker import Outcome, attacker
from tests.attacks.figures import Reading
from tests.attacks.honest import HONEST, User, ask_problem, described, honest_users, newcomer_problem, warm_up
from tests.attacks.judge import DESCRIPTORS, DISK_MB, MEMORY_MB, REST_CPU, Row
from tests.attacks.lag import Lag, LagLog, measured_lag
from tests.attacks.peer import Login, authorization
from tests.attacks.target import NETWORK, Target
from tests.support.app_process import App, running_app

LOGIN: Login = ("guest", "a long enough password")
PROBE = "127.0.0.9"
"""The harness's own address, for the probe and other requests, which no per-address limit of the attacks affects."""

KEPT_OUT_S = 1.0
"""The duration of an attack that the password keeps out."""

SLOW_LOGIN_S = 25.0
"""The time that a newcomer may have to wait whose own address guesses passwords."""

REST_S = 0.5
"""The time over which the app's processor use at rest is measured."""

STEADY_S = 10.0
"""The time that memory may take to become steady."""

ROW_S = 150.0
"""The time that a row may take beyond its attack. After it, the harness assumes a hang."""

SETTLE_S = 30.0
"""The time that memory, disk and slots may take to return to their values before the attack."""

LEAVE_S = 20.0
"""The time that the honest users may take to leave an app that ends anyway."""

STEP_S = 0.25

_rows = itertools.count(10)
"""Each row has a network 127.0.x of its own, which no earlier count of the app affects."""


class Stage:
    """Starts the app when it is needed, and again after an attack that has left marks on it."""

    def __init__(self, *, locked: bool, open_files: int | None = None) -> None:
        self._locked, self._open_files = locked, open_files
        self._login = LOGIN if locked else None
        self._stack = AsyncExitStack()
        self._visit = AsyncExitStack()
        self._users: list[User] = []
        self._address: str | None = None
        self._app: App | None = None
        self._folders: tuple[Path, ...] = ()
        self._lag: LagLog

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._end()

    async def idle(self, seconds: float) -> Lag:
        """Returns the lag with two honest users and without an attack. Raises the errors of the network."""
        try:
            await self._prepare(HONEST)
        except NETWORK:  # The machine may have been busy with something else.
            await self._end()
            await self._prepare(HONEST)
        began_s = time.monotonic()
        await asyncio.sleep(seconds)
        return await self._lag.between(began_s, time.monotonic())

    async def play(self, attack: Attack, lock: Lock, place: Place, seconds: float | None = None) -> Row:
        """Runs an attack from one place, and returns its measurements."""
        number = next(_rows)
        network = f"127.{number // 250}.{number % 250}"
        own = f"{network}.1"
        honest = HONEST if place == "other" else own
        try:
            await self._prepare(honest)
            assert self._app is not None
            target = Target(
                url=self._app.url,
                addresses=(own,) if place == "own" else tuple(f"{network}.{n + 1}" for n in range(attack.addresses)),
                bystander=honest,
                seconds=seconds or (KEPT_OUT_S if lock == "locked" and not attack.slow_login else attack.seconds),
                locked=self._locked,
                login=LOGIN if lock == "with password" else None,
                honest_login=self._login,
            )
            async with asyncio.timeout(target.seconds + ROW_S):
                row = await self._row(attack, lock, place, target)
        except (*NETWORK, ChildProcessError) as error:
            nothing = Reading(0, 0, 0, 0, 0, 0)
            problem = f"nothing could be measured: {described(error)}"
            row = Row(attack, lock, place, Lag(0, 0, 0, 0), nothing, 0, nothing, (0, 0), 0, 0, problem=problem)
        if row.leaves_marks:
            await self._end()
        return row

    async def _row(self, attack: Attack, lock: Lock, place: Place, target: Target) -> Row:
        with attacker(attack, target) as ready:
            before, rest_before = await self._at_rest()
            began_s, most_mb = time.monotonic(), [before.memory_mb]
            watching = asyncio.create_task(self._watch_memory(most_mb))
            meanwhile = asyncio.create_task(self._meanwhile(attack, place, target))
            outcome: Outcome = await asyncio.to_thread(ready.attack)
            ended_s = time.monotonic()
            used = await self._reading()
        honest = await meanwhile
        honest |= await self._ask_all(attack, place, target)
        watching.cancel()
        lag = await self._lag.between(began_s, ended_s)
        after, rest_after = await self._settled(before, rest_before)
        return Row(
            attack=attack,
            lock=lock,
            place=place,
            lag=lag,
            before=before,
            most_mb=max(most_mb),
            after=after,
            rest_cpu=(rest_before, rest_after),
            app_cpu=(used.cpu_s - before.cpu_s) / (ended_s - began_s),
            attacker_cpu=outcome.cpu,
            honest=honest,
            counts=outcome.counts,
            problems=outcome.problems,
        )

    async def _meanwhile(self, attack: Attack, place: Place, target: Target) -> dict[str, str | None]:
        """Lets honest users act during the attack."""
        await asyncio.sleep(target.seconds / 3)
        tasks = {}
        if attack.admits_newcomers and place == "other":
            tasks["newcomer meanwhile"] = newcomer_problem(target.url, HONEST, self._login)
        if attack.asks_question:
            tasks[f"{self._users[0].name} meanwhile"] = ask_problem(self._users[0])
        return dict(zip(tasks, await asyncio.gather(*tasks.values()), strict=True))

    async def _ask_all(self, attack: Attack, place: Place, target: Target) -> dict[str, str | None]:
        """Lets each honest user ask a question, and a newcomer too."""
        typed = target.kept_out or place == "own"  # Speech takes time, and other rows test it.
        tasks = {user.name: ask_problem(user, typed=typed) for user in self._users}
        if place == "other":
            tasks["newcomer"] = newcomer_problem(target.url, HONEST, self._login)
        elif attack.slow_login:
            tasks["newcomer"] = newcomer_problem(target.url, target.bystander, self._login, SLOW_LOGIN_S)
        return dict(zip(tasks, await asyncio.gather(*tasks.values()), strict=True))

    async def _prepare(self, address: str) -> None:
        """Makes sure that the app runs with honest users at that address. Raises the errors of the network."""
        if not all(user.is_connected for user in self._users):
            await self._visit.aclose()
            self._address = None
        if self._app is None:
            self._start()
            await self._measure()
        if self._address != address:
            await self._visit.aclose()
            assert self._app is not None
            users = honest_users(self._app.url, address, self._login, typed=address != HONEST)
            self._users = await self._visit.enter_async_context(users)
            self._address = address

    def _start(self) -> None:
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        temporary = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        settings: dict[str, object] = {"tmpdir": temporary}
        if self._locked:
            settings |= {"app_username": LOGIN[0], "app_password": LOGIN[1]}
        self._stack.enter_context(contextlib.suppress(subprocess.TimeoutExpired))
        self._app = self._stack.enter_context(running_app(folder, self._open_files, **settings))
        self._folders = (folder, temporary)

    async def _measure(self) -> None:
        assert self._app is not None
        await warm_up(self._app.url, PROBE, self._login)
        await figures.steady(self._app)
        self._lag = await self._stack.enter_async_context(measured_lag(self._app.url, PROBE))

    async def _end(self) -> None:
        self._users, self._address, self._app = [], None, None
        with contextlib.suppress(*NETWORK):
            async with asyncio.timeout(LEAVE_S):
                await self._visit.aclose()
        await self._stack.aclose()

    # Figures ------------------------------------------------------------------------------------------------------

    async def _reading(self) -> Reading:
        assert self._app is not None
        sessions = await self._sessions()
        return await asyncio.to_thread(figures.reading, self._app, *self._folders, sessions=sessions)

    async def _sessions(self) -> int:
        assert self._app is not None
        transport = httpx.AsyncHTTPTransport(local_address=PROBE)
        try:
            async with httpx.AsyncClient(transport=transport, headers=authorization(self._login), timeout=5) as http:
                return int((await http.get(f"{self._app.url}/health")).json().get("sessions", -1))
        except (*NETWORK, ValueError):
            return -1

    async def _at_rest(self) -> tuple[Reading, float]:
        """Waits until the app's figures are steady, and returns them and the cores used without load."""
        deadline_s = time.monotonic() + STEADY_S
        while True:
            first, began_s = await self._reading(), time.monotonic()
            await asyncio.sleep(REST_S)
            second = await self._reading()
            if abs(second.memory_mb - first.memory_mb) < figures.STEADY_MB or time.monotonic() > deadline_s:
                return second, (second.cpu_s - first.cpu_s) / (time.monotonic() - began_s)

    async def _settled(self, before: Reading, rest_before: float) -> tuple[Reading, float]:
        """Waits until the figures are back at their values before the attack, or the time for that is over."""
        deadline_s = time.monotonic() + SETTLE_S
        while True:
            after, rest = await self._at_rest()
            as_before = (
                after.memory_mb - before.memory_mb <= MEMORY_MB
                and after.disk_mb - before.disk_mb <= DISK_MB
                and after.descriptors - before.descriptors <= DESCRIPTORS
                and after.sessions <= before.sessions
                and rest - rest_before <= REST_CPU
            )
            if as_before or time.monotonic() > deadline_s:
                return after, rest
            await asyncio.sleep(STEP_S)

    async def _watch_memory(self, most_mb: list[float]) -> None:
        assert self._app is not None
        while True:
            most_mb.append(await asyncio.to_thread(figures.memory_mb, self._app))
            await asyncio.sleep(STEP_S)
