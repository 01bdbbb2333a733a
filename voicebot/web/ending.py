"""How this process is asked to end: by a signal, or by its supervisor."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping

from voicebot.access.close_codes import MOVING, SHUTDOWN, SessionClosed
from voicebot.workers.link import Order

SIGNALS: Mapping[signal.Signals, Order] = {signal.SIGTERM: Order.DRAIN, signal.SIGINT: Order.END}
"""The order that the first signal gives. A second one hurries, and a third one has its usual effect."""


class Ending:
    """The orders to end that came so far. They only ever shorten the end."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        """Set by the first order."""
        self.stopped = asyncio.Event()
        """Set once the process must not stay for its recordings."""
        self.hurried = asyncio.Event()
        """Set once the process must not wait for clients or tools."""
        self.closed: SessionClosed = SHUTDOWN
        """What the clients are told."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._was_signalled = False

    def obey(self, order: Order) -> None:
        """Begins the end, or shortens it."""
        if not self.begun.is_set() and order in (Order.DRAIN, Order.STOP):
            self.closed = MOVING
        self.begun.set()
        if order is not Order.DRAIN:
            self.stopped.set()
        if order is Order.HURRY:
            self.hurried.set()
            self.forget_signals()

    def heed_signals(self) -> None:
        """Obeys signals until `forget_signals`. Only the main thread can do so."""
        self._loop = asyncio.get_running_loop()
        for number in SIGNALS:
            self._loop.add_signal_handler(number, self._signalled, number)

    def forget_signals(self) -> None:
        """Gives signals their usual effect. Can be called more than once."""
        if self._loop is not None:
            for number in SIGNALS:
                self._loop.remove_signal_handler(number)
            self._loop = None

    def _signalled(self, number: signal.Signals) -> None:
        # An order does not count: a signal to all processes reaches a worker just before or after its supervisor's.
        self.obey(Order.HURRY if self._was_signalled else SIGNALS[number])
        self._was_signalled = True
