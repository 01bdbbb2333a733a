"""Runs an attack in a process of its own, so that its computing does not count as the app's."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection

from tests.attacks.attack import Attack
from tests.attacks.target import NETWORK, Target

NICENESS = 5
"""The attacker's niceness, which lets the app and its honest users run first when cores are few."""

READY_S = 60.0
LEAVE_S = 5.0
"""The time that an attacker may take to close its connections."""
END_S = 15.0
"""The time after the end of the attack in which its process may take to report."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of an attack. `cpu` is in cores."""

    counts: dict[str, int]
    problems: list[str]
    cpu: float


async def run(attack: Attack, target: Target) -> None:
    """Runs the attack until its time is over. Its findings are in `target`."""
    limit = asyncio.timeout(target.seconds)
    try:
        async with limit:
            await attack.run(target)
    except* NETWORK as refused:
        if not limit.expired():
            target.counts[f"ended by {type(refused.exceptions[0]).__name__}"] += 1


async def _at_most(attack: Attack, target: Target) -> None:
    """Attacks for the planned time. Connections that do not close in time end with the process."""
    attacking = asyncio.create_task(run(attack, target))
    await asyncio.wait([attacking], timeout=target.seconds + LEAVE_S)
    if attacking.done():
        attacking.result()


def _process(attack: Attack, target: Target, pipe: Connection) -> None:
    os.nice(NICENESS)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if attack.prepare is not None:
        attack.prepare()
    pipe.send(None)
    pipe.recv()
    began_s, used_s = time.monotonic(), time.process_time()
    try:
        asyncio.new_event_loop().run_until_complete(_at_most(attack, target))
    except Exception as failure:  # noqa: BLE001 (an attack that fails for any reason proves nothing)
        target.problems.append(f"the attack itself failed: {failure!r}"[:300])
    if not target.counts:
        target.problems.append("the attack never came to attack: the machine is too busy for it")
    cpu = (time.process_time() - used_s) / (time.monotonic() - began_s)
    pipe.send(Outcome(dict(target.counts), target.problems, cpu))


class Attacker:
    """A process that is ready to attack."""

    def __init__(self, attack: Attack, target: Target) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["tests.attacks.catalogue"])
        self._pipe, theirs = context.Pipe()
        self._target = target
        self._process = context.Process(target=_process, args=(attack, target, theirs), daemon=True)
        self._process.start()
        theirs.close()
        if not self._pipe.poll(READY_S):
            self.end()
            raise TimeoutError(f"the attacker was not ready within {READY_S:g} s")
        self._pipe.recv()

    def attack(self) -> Outcome:
        """Attacks, and blocks until the attack is over."""
        self._pipe.send(None)
        if not self._pipe.poll(self._target.seconds + END_S):
            return Outcome({}, [f"the attacker did not end within {END_S:g} s"], 0.0)
        try:
            outcome: Outcome = self._pipe.recv()
        except EOFError:
            return Outcome({}, ["the attacker's process died"], 0.0)
        return outcome

    def end(self) -> None:
        self._process.join(1)
        self._process.kill()
        self._process.join()
        self._pipe.close()


@contextmanager
def attacker(attack: Attack, target: Target) -> Iterator[Attacker]:
    ready = Attacker(attack, target)
    try:
        yield ready
    finally:
        ready.end()
