"""Sessions that can be told nothing must end at their limits all the same, and must not keep others from being told.

D3 and D18: an app with limits of a few seconds, and then SIGTERM with honest users connected.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from contextlib import AsyncExitStack

from tests.attacks.honest import HONEST, Talker, Uploader, User
from tests.attacks.peer import Peer
from tests.attacks.rtp import ten_bytes_at_most
from tests.support.app_process import App
from tests.support.rtc_client import OfferRefusedError

SETTINGS: dict[str, object] = {"session_minutes": 0.15, "media_timeout_s": 2, "max_sessions_per_address": 0}
UNTOLD = "127.0.0.31"
LIMIT_S = 9.0
SLACK_S = 4.0
END_S = 10.0
"""How long the app may take to end."""


async def _untold(stack: AsyncExitStack, url: str) -> list[Peer]:
    """Two sessions that can be told nothing; none where such offers are refused, which is as good."""
    peers = []
    for _ in range(2):
        with contextlib.suppress(OfferRefusedError):
            peer = Peer(url, address=UNTOLD, munge=ten_bytes_at_most)
            peers.append(await stack.enter_async_context(peer))
    return peers


async def _until(condition: Callable[[], bool], timeout_s: float) -> bool:
    """Another process has no event to wait for."""
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline_s:
            return False
        await asyncio.sleep(0.1)
    return True


async def problems_of_untold_sessions(app: App) -> list[str]:
    """What is wrong with how such sessions end. The app is ended."""
    problems: list[str] = []

    async def sessions() -> int:
        return int((await asyncio.to_thread(app.health))["sessions"])

    async def becomes(count: int, timeout_s: float) -> bool:
        deadline_s = time.monotonic() + timeout_s
        while await sessions() > count:
            if time.monotonic() > deadline_s:
                return False
            await asyncio.sleep(0.1)
        return True

    async with AsyncExitStack() as stack:
        withheld_text = await _untold(stack, app.url)
        if withheld_text:
            withheld_text[0].link.loss = 1.0  # nothing is heard of this one any more
        if not await becomes(1, 2 + SLACK_S):
            problems.append("a session that can be told nothing outlives the media time-out")
        if not await becomes(0, LIMIT_S + SLACK_S):
            problems.append("a session that can be told nothing outlives SESSION_MINUTES")
    async with AsyncExitStack() as stack:
        await _untold(stack, app.url)
        users: list[User] = [Talker(app.url, HONEST, None), Uploader(app.url, HONEST, None)]
        for user in users:
            await user.come(stack)
        app.process.terminate()
        for user in users:
            await _until(lambda user=user: user.goodbye is not None, 5)  # type: ignore[misc]
            if user.goodbye != "shutdown":
                problems.append(f"{user.name} is told {user.goodbye or 'nothing'} at SIGTERM")
    if not await _until(lambda: not app.process.is_running() or app.process.status() == "zombie", END_S):
        problems.append(f"the app does not end within {END_S:g} s of SIGTERM")
    return problems
