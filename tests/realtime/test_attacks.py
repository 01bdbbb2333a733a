"""Runs each attack of `make attack` for a moment, against an app that goes on running.

The bounds are wider than those of `make attack`, as the attacker runs in the test's own process. Time for which other
tests had the processor does not count. An app that an attack has harmed is replaced before the next attack.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio

from tests.attacks import figures
from tests.attacks.attack import Attack
from tests.attacks.attacker import run
from tests.attacks.catalogue import ATTACKS
from tests.attacks.honest import HONEST, User, ask_problem, honest_users, warm_up
from tests.attacks.judge import DISK_MB, LOG_KB, MEMORY_MB
from tests.attacks.lag import LagLog, measured_lag
from tests.attacks.session_ends import SETTINGS, problems_of_untold_sessions
from tests.attacks.stage import LOGIN, PROBE
from tests.attacks.target import Target
from tests.support.app_process import App, forked_app

pytestmark = [pytest.mark.xdist_group("attacks"), pytest.mark.asyncio(loop_scope="module")]

SECONDS = 0.5
MAX_LAG_MS = 1_000.0
FRESH_MS = 3_500.0
"""The longest time in which a fresh connection may be served. On a busy machine the app may accept connections late, so
that the system drops a client's first packet. The client sends it again after 1 s, and then after 2 s more."""
SETTLE_S = 10.0
LOG_CHARS = 4_000

IN_SUITE = [attack for attack in ATTACKS.values() if attack.in_suite]


@dataclass(slots=True)
class Bot:
    """An app of one kind, and its honest users, who ask in turn."""

    folder: Path
    open_files: int | None
    locked: bool
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    app: App | None = None
    users: list[User] = field(default_factory=list)
    lag: LagLog = field(default_factory=LagLog)
    number: int = 0

    async def begin(self) -> App:
        """Returns the app, and starts it if it is not running."""
        if self.app is None:
            self.number += 1
            home = self.folder / str(self.number)
            (home / "tmp").mkdir(parents=True)
            login = LOGIN if self.locked else None
            try:
                app = self.stack.enter_context(self._start(home))
                await warm_up(app.url, PROBE, login)
                await figures.steady(app)
                self.lag = await self.stack.enter_async_context(measured_lag(app.url, PROBE, app.process.pid))
                self.users = await self.stack.enter_async_context(honest_users(app.url, HONEST, login))
            except BaseException:
                await self.end()
                raise
            self.app = app
        return self.app

    def _start(self, home: Path) -> AbstractContextManager[App]:
        # The honest users may be silent for as long as other apps are attacked.
        settings: dict[str, object] = {"tmpdir": home / "tmp", "idle_timeout_s": 0}
        if self.locked:
            settings |= {"app_username": LOGIN[0], "app_password": LOGIN[1]}
        return forked_app(home, self.open_files, **settings)

    async def end(self) -> None:
        self.app = None
        await self.stack.aclose()

    async def reading(self) -> figures.Reading:
        assert self.app is not None
        return await asyncio.to_thread(figures.reading, self.app, self.app.log.parent)


Bots = dict[tuple[bool, int | None], Bot]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bots(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bots]:
    """Yields a bot for each kind of app that an attack needs. Each is started when it is first needed."""
    kinds = itertools.product((False, True), {attack.open_files for attack in IN_SUITE})
    all_bots = {(locked, files): Bot(tmp_path_factory.mktemp("app"), files, locked) for locked, files in kinds}
    yield all_bots
    for bot in all_bots.values():
        await bot.end()


rows = itertools.count(10)


@pytest.mark.parametrize("attack", IN_SUITE, ids=lambda attack: attack.name)
async def test_an_attack_harms_no_honest_user_and_leaves_nothing_behind(attack: Attack, bots: Bots) -> None:
    locked = "unlocked" not in attack.locks
    bot = bots[locked, attack.open_files]
    app = await bot.begin()
    row = next(rows)
    target = Target(
        url=app.url,
        addresses=tuple(f"127.1.{row}.{each + 1}" for each in range(attack.addresses)),
        bystander=HONEST,
        seconds=SECONDS,
        locked=locked,
        honest_login=LOGIN if locked else None,
    )
    harmless = False
    if attack.prepare is not None:
        attack.prepare()
    try:
        await figures.settled(app)
        before, began_s = await bot.reading(), time.monotonic()
        await run(attack, target)
        over_s = time.monotonic()
        assert not target.problems, target.problems
        assert {user.name: user.close_code for user in bot.users if not user.is_connected} == {}
        measured = bot.lag.between(began_s, over_s, FRESH_MS)
        lag, problem = await asyncio.gather(measured, ask_problem(bot.users[row % 2], typed=True))
        assert problem is None
        assert lag.most < MAX_LAG_MS
        assert lag.refused == 0, f"the last fresh connections took {bot.lag.fresh[-5:]}"
        await wait_until_settled(bot, before)
        harmless = True
    finally:
        if not harmless:
            sys.stdout.write(f"the app's log:\n{app.log.read_text('utf-8')[-LOG_CHARS:]}")
            await bot.end()


async def wait_until_settled(bot: Bot, before: figures.Reading) -> None:
    """Waits until memory, disk and log are as before, apart from what they may grow by."""
    deadline_s = time.monotonic() + SETTLE_S
    while True:
        after = await bot.reading()
        grown = {
            "memory": after.memory_mb - before.memory_mb > MEMORY_MB,
            "disk": after.disk_mb - before.disk_mb > DISK_MB,
            "log": after.log_kb - before.log_kb > LOG_KB,
        }
        if not any(grown.values()):
            return
        assert time.monotonic() < deadline_s, (before, after)
        await asyncio.sleep(0.2)


async def test_unreachable_sessions_end_and_other_sessions_are_told_that_they_move(tmp_path: Path) -> None:
    with forked_app(tmp_path, **SETTINGS) as app:
        problems = await problems_of_untold_sessions(app)
    assert not problems, problems
