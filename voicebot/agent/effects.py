"""Keeps the effects of tools until a reply is wanted."""

from __future__ import annotations

import asyncio

from voicebot.engines.protocols import OutputDeadline


class EffectGuard:
    """Guards the effects of one reply's tools outside: they wait until the reply is wanted, and happen only once."""

    def __init__(self, wanted: asyncio.Event, deadline: OutputDeadline) -> None:
        self._wanted = wanted
        self._deadline = deadline
        self._suspended = False
        self.begun = False
        """True once a tool with effects may have run. The reply can then not be repeated."""

    async def before_tools(self, *, pure: bool) -> None:
        """Suspends the deadline and, unless all tools are pure, waits until the reply is wanted."""
        self._suspended = True
        self._deadline.suspend()
        if not pure:
            await self._wanted.wait()
            self.begun = True

    def after_tools(self) -> None:
        """Restarts the deadline, unless there were effects: another engine must not take over then."""
        if not self.begun:
            self._suspended = False
            self._deadline.restart()

    def sign_of_life(self) -> None:
        """Restarts the deadline, as the model has sent something that is not spoken, such as a piece of reasoning."""
        if not self._suspended:
            self._deadline.restart()
