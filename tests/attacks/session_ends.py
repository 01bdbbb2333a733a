"""Checks that unreachable sessions end at their limits, and that they do not delay messages to others.

It covers the findings D3 and D18 with an app whose limits are a few seconds, and SIGTERM while honest users are
connected.
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
"""The time that the app may take to end."""


async def _untold(stack: AsyncExitStack, url: str) -> list[Peer]:
    """Opens two sessions that can be sent nothing. If the app refuses such offers, that is as good."""
    peers = []
    for _ in range(2):
        with contextlib.suppress(OfferRefusedError):
            peer = Peer(url, address=UNTOLD, munge=ten_bytes_at_most)
            peers.append(await stack.enter_async_context(peer))
    return peers


async def _until(condition: Callable[[], bool], timeout_s: float) -> bool:
    """Polls the condition, because another process has no event to wait for."""
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline_s:
            return False
        await asyncio.sleep(0.1)
    return True


async def problems_of_untold_sessions(app: App) -> list[str]:
    """Ends the app, and returns the problems with the way such sessions end."""
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
            withheld_text[0].link.loss = 1.0  # This client sends nothing more.
        if not await becomes(1, 2 + SLACK_S):
            problems.append("an unreachable session outlives the media time-out")
        if not await becomes(0, LIMIT_S + SLACK_S):
            problems.append("an unreachable session outlives SESSION_MINUTES")
    async with AsyncExitStack() as stack:
        await _untold(stack, app.url)
        users: list[User] = [Talker(app.url, HONEST, None), Uploader(app.url, HONEST, None)]
        for user in users:
            await user.connect(stack)
        app.process.terminate()
        for user in users:
            await _until(lambda user=user: user.close_code is not None, 5)  # type: ignore[misc]
            if user.close_code != "moving":
                problems.append(f"{user.name} receives {user.close_code or 'nothing'} at SIGTERM")
    if not await _until(lambda: not app.process.is_running() or app.process.status() == "zombie", END_S):
        problems.append(f"the app does not end within {END_S:g} s of SIGTERM")
    return problems
