"""The supervisor of several workers: it binds the one port, starts the processes that serve it, and replaces them.

uvicorn's `Multiprocess` starts processes and queues signals. This supervisor replaces a dead worker as soon as it dies,
lets workers that end outlive their replacements, and gives up, or waits, where workers cannot start.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import math
import os
import queue
import signal
import socket
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import connection, resource_tracker
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from uvicorn import Config
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors.multiprocess import Multiprocess, Process

from voicebot.bootstrap import process
from voicebot.bootstrap.process import Prepared
from voicebot.engines.errors import EngineError
from voicebot.runtime.clock import Clock, SteadyClock
from voicebot.settings.config import Settings, SettingsError
from voicebot.settings.registry import Found
from voicebot.web.port import address_of
from voicebot.workers.link import FromSupervisor, NewName, Order, Ping, StartFailure, SupervisorLink, WorkerState
from voicebot.workers.place import WorkerPlace

logger = logging.getLogger(__name__)

TICK_S = 1.0
"""The interval of the pings. Deaths, reports and signals wake the supervisor at once."""

MISSED_PINGS = 8
"""A worker whose event loop answers no ping for this many ticks is killed. The longest delay that was measured under
full load is 0.1 s. Ticks are counted rather than seconds, because the supervisor may have been suspended with it."""

START_S = 300.0
"""A worker that does not serve after this time is killed. It takes 4 to 8 s on two cores, and took 2 minutes under a
load of 50."""

STABLE_S = 30.0
"""A worker that has served for this long is replaced at once when it dies. After earlier deaths the pauses grow."""

LONGEST_PAUSE_S = 30.0
"""The longest pause before a worker is started again. The pauses are 1, 2, 4, … s."""

END_S = 40.0
"""How long the workers may take to end. What each of them waits for has its own limit, 35 s in all."""

LEAVING_S = 400.0
"""How long a worker may take to end after it was replaced: five minutes for its recordings, `END_S`, and a minute for
the last download."""

FORGETTING_S = 1.0
"""How long the end waits for the metrics of a worker that has just died. They are in a folder that is then removed."""

HURRIED_END_S = 12.0
"""How long workers in a hurry may take: the last words may take 8 s to be stored."""

LONGEST_TMPDIR = 55
"""The longest path of TMPDIR in which sockets can be made: macOS allows 103 bytes, and 45 follow."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a worker process is told at its start."""

    place: WorkerPlace
    host: str | None
    found: Found


class ServingProcess(Process):
    """One worker process, and what its supervisor knows of it."""

    def __init__(self, config: Config, sockets: list[socket.socket], assignment: Assignment, now_s: float) -> None:
        self.assignment = assignment
        super().__init__(config, sockets)
        self.state = WorkerState.STARTING
        self.began_s = self.served_s = now_s
        """When it began to start, and to serve."""
        self.failure: str | None = None
        """Why it cannot start, if it said so."""
        self.leaves_by_s = math.inf
        """When it must have ended. It may stay for its recordings."""
        self.unanswered = 0
        """The number of ticks since a ping that it has not answered yet."""

    def __getstate__(self) -> dict[str, Any]:
        """Returns what the new process needs. It gets only its own end of the pipe, so that it sees the other one
        close when the supervisor dies."""
        return {"assignment": self.assignment, "config": self.config, "child_conn": self.child_conn}

    @property
    def number(self) -> int:
        return self.assignment.place.number

    @property
    def sentinel(self) -> int:
        """Becomes readable when the process ends."""
        return self.process.sentinel

    @property
    def runs(self) -> bool:
        return self.process.is_alive()

    def start(self) -> None:
        """Starts the process. Until it can end in good order, Ctrl-C in a terminal leaves it to its supervisor."""
        resource_tracker.ensure_running()  # it would unblock the signal
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            super().start()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        self.child_conn.close()

    def tell(self, message: FromSupervisor) -> None:
        with contextlib.suppress(OSError):  # it has died, which its sentinel shows
            self.parent_conn.send(message)

    def reports(self) -> Iterator[WorkerState | StartFailure]:
        """Yields what the worker has reported since the last call."""
        try:
            while self.parent_conn.poll():
                yield self.parent_conn.recv()
        except (EOFError, OSError):  # it has died
            return

    def end(self, order: Order) -> None:
        """Ends the worker. One that is still starting has no clients, and reads no orders yet."""
        self.tell(order)
        if self.state is WorkerState.STARTING:
            self.process.terminate()

    def kill(self) -> None:
        self.process.kill()

    def forget(self) -> None:
        """Closes the pipe of a process that has ended, and removes its socket."""
        self.process.join()
        self.parent_conn.close()
        if self.pid is not None:
            self.assignment.place.process_socket(self.pid).unlink(missing_ok=True)

    def forget_metrics(self) -> None:
        """Removes the gauges of a process that has ended, and adds what it has counted to that of earlier ones."""
        from voicebot.observability.shared_metrics import forget_worker  # a worker must not load it with this module

        assert self.pid is not None
        try:
            forget_worker(self.assignment.place.metrics_folder, self.pid)
        except Exception:  # boundary: a process that was killed may leave files that cannot be read, and others go on
            logger.exception("the metrics of process %d could not be added to those of ended ones", self.pid)

    def how_it_ended(self) -> str:
        code = self.exitcode
        if code is None or code >= 0:
            return f"ended with the status {code}"
        with contextlib.suppress(ValueError):
            return f"was ended by {signal.Signals(-code).name}"
        return f"was ended by signal {-code}"

    def target(self, sockets: list[socket.socket] | None = None) -> None:
        """Serves, in the new process."""
        assert sockets is not None
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, _leave_to_supervisor)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        link = SupervisorLink(self.child_conn)
        place = self.assignment.place
        gc.disable()  # as in `__main__`
        try:
            prepared = process.prepare_worker(self.assignment.host, self.assignment.found, place)
            process.run(prepared, sockets[0], place=place, link=link)
        except (SettingsError, EngineError, OSError) as error:
            link.fail(str(error))
            sys.exit(STARTUP_FAILURE)


def _leave_to_supervisor(*_: object) -> None:
    """Does nothing about a signal that was sent to all processes. The programs that a worker starts heed it again."""


class Supervisor(Multiprocess):
    """Starts `count` workers on `listener` and replaces those that die, until it is asked to end.

    SIGTERM drains all workers, SIGINT ends their sessions, and a second one of them hurries. SIGHUP replaces the
    workers one after the other, each by one that has read the settings anew. `folder` is private to them.
    """

    def __init__(
        self,
        prepared: Prepared,
        listener: socket.socket,
        count: int,
        folder: Path,
        *,
        host: str | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        self._wakeup, self._waker = socket.socketpair()
        for each in (self._wakeup, self._waker):
            each.setblocking(False)
        super().__init__(Config("", workers=count, log_config=None), [listener])
        self._prepared, self._folder, self._host, self._clock = prepared, folder, host, clock
        self._address = address_of(listener)
        self._time_of_day = SteadyClock()
        self.serving: list[ServingProcess | None] = [None] * count
        """The worker of each number, which may still be starting; None while a pause lasts."""
        self.replacements: dict[int, ServingProcess] = {}
        """The workers that start in order to replace one that serves."""
        self.leaving: list[ServingProcess] = []
        """The workers that have been replaced, and still end."""
        self._restarting: deque[ServingProcess] = deque()
        """The workers with earlier settings that are still to be replaced."""
        self._failures = [0] * count
        """How many times in a row the worker of each number did not last."""
        self._start_at_s = [0.0] * count
        """When the worker of each number may be started."""
        self._next_tick_s = clock()
        self._announced = False
        """Whether a worker has served. From then on the supervisor goes on until it is asked to end."""
        self._order: Order | None = None
        """How all workers are asked to end."""
        self._kill_at_s = float("inf")
        self._names: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._known_names: tuple[str, ...] = ()
        self._forgetting: threading.Thread | None = None
        """The last thread that has added the metrics of a dead worker to those of earlier ones."""
        self.failure: str | None = None
        """Why the supervisor ended by itself."""

    # The loop ---------------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Supervises the workers until the last one has ended. `failure` then says whether that was an accident."""
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        try:
            while self.step():
                self.wait()
        finally:
            signal.set_wakeup_fd(-1)
            for worker in self.workers():
                worker.kill()
                worker.forget()
            if self._forgetting is not None:
                self._forgetting.join(FORGETTING_S)
            self.close()

    def close(self) -> None:
        """Gives up what it needs to be woken."""
        for each in (self._wakeup, self._waker):
            each.close()

    def workers(self) -> list[ServingProcess]:
        """Returns all processes that have not ended, as far as is known."""
        return [*filter(None, self.serving), *self.replacements.values(), *self.leaving]

    def wait(self) -> None:
        """Waits for a signal, a report or the end of a worker, or until there is something to do."""
        now_s = self._clock()
        due_s = [self._next_tick_s, self._kill_at_s]
        if self._order is None:  # otherwise no worker is started any more
            due_s += [at_s for at_s, worker in zip(self._start_at_s, self.serving, strict=True) if worker is None]
        things: list[Connection | socket.socket | int] = [self._wakeup]
        for worker in self.workers():
            things += [worker.parent_conn, worker.sentinel]
        connection.wait(things, max(0.0, min(due_s) - now_s))
        with contextlib.suppress(BlockingIOError):
            while self._wakeup.recv(1024):
                pass

    def step(self) -> bool:
        """Does what is to be done now. Returns False once all workers have ended as they were asked to."""
        self.handle_signals()
        self._pass_names_on()
        for worker in self.workers():
            for report in worker.reports():
                self._reported(worker, report)
        for worker in self.workers():
            if not worker.runs:
                self._ended(worker)
        self._tick()
        if self._order is None:
            self._start_missing()
            self._restart_next()
        elif self._clock() >= self._kill_at_s:
            for worker in self.workers():
                logger.error("worker %d did not end in time, and is killed", worker.number)
                worker.kill()
            self._kill_at_s = float("inf")
        return self._order is None or bool(self.workers())

    def new_worker(self, number: int) -> ServingProcess:
        """Starts a worker."""
        place = WorkerPlace(self._folder, number, self.processes_num, self._time_of_day)
        assignment = Assignment(place, self._host, self._prepared.found)
        worker = ServingProcess(self.config, self.sockets, assignment, self._clock())
        worker.start()
        for name in self._known_names:  # it reads them once it serves
            worker.tell(NewName(name))
        return worker

    # What becomes of workers ------------------------------------------------------------------------------------------

    def _start_missing(self) -> None:
        for number, worker in enumerate(self.serving):
            if worker is None and self._clock() >= self._start_at_s[number]:
                try:
                    self.serving[number] = self.new_worker(number)
                except OSError as error:  # no memory or no process is left
                    if not self._announced and not self.workers():
                        raise
                    self._try_again_later(number, str(error))

    def _reported(self, worker: ServingProcess, report: WorkerState | StartFailure) -> None:
        worker.unanswered = 0
        if isinstance(report, StartFailure):
            worker.failure = report.text
            return
        if report is worker.state:
            return
        worker.state = report
        if report is WorkerState.SERVING:
            self._serves(worker)
        elif report is WorkerState.ENDING and worker not in self.leaving:
            logger.info("worker %d ends", worker.number)
            self._take_out(worker)
            self._leaves(worker)

    def _serves(self, worker: ServingProcess) -> None:
        worker.served_s = self._clock()
        if not self._announced:
            self._announced = True
            logger.info("open %s in a browser", self._address)
        if self.replacements.get(worker.number) is worker:
            del self.replacements[worker.number]
            if (old := self.serving[worker.number]) is not None:
                old.tell(Order.DRAIN)
                self._leaves(old)
            self.serving[worker.number] = worker
        logger.info("worker %d serves (process %d)", worker.number, worker.pid)
        if self._order is not None:
            worker.end(self._order)

    def _ended(self, worker: ServingProcess) -> None:
        """Decides what follows from the end of a worker's process."""
        how, lasted_s = worker.how_it_ended(), self._clock() - worker.served_s
        for report in worker.reports():  # its last ones
            if report is not WorkerState.SERVING:
                self._reported(worker, report)
        worker.forget()
        if self._order is None:
            # Not in this thread, because a worker that hangs may hold the lock of the metrics
            self._forgetting = threading.Thread(target=worker.forget_metrics, name="metrics", daemon=True)
            self._forgetting.start()
        if worker in self.leaving:
            self.leaving.remove(worker)
            logger.info("worker %d has ended (process %d)", worker.number, worker.pid)
            return
        was_replacement = self._take_out(worker)
        if self._order is not None:
            return
        if worker.state is WorkerState.STARTING:
            self._could_not_start(worker, worker.failure or f"It {how} before it could serve.", was_replacement)
            return
        logger.error("worker %d %s, and its sessions with it", worker.number, how)
        if lasted_s >= STABLE_S:
            self._failures[worker.number] = 0
        self._pause(worker.number)
        self._failures[worker.number] += 1

    def _could_not_start(self, worker: ServingProcess, why: str, was_replacement: bool) -> None:
        if was_replacement:
            self._keep(worker.number, why)
        elif self._announced:
            self._try_again_later(worker.number, why)
        else:
            self.failure = why
            self._end_all(Order.STOP)

    def _try_again_later(self, number: int, why: str) -> None:
        self._failures[number] += 1
        pause_s = self._pause(number)
        logger.error("worker %d can't start, and is tried again in %g s: %s", number, pause_s, why)

    def _pause(self, number: int) -> float:
        """Lets no worker of this number start for a while. After the first death in a row there is no pause."""
        failures = self._failures[number]
        pause_s = 0.0 if failures == 0 else min(LONGEST_PAUSE_S, 2.0 ** (failures - 1))
        self._start_at_s[number] = self._clock() + pause_s
        return pause_s

    def _take_out(self, worker: ServingProcess) -> bool:
        """Takes a worker out of service. Returns True if it was to replace another one."""
        if self.replacements.get(worker.number) is worker:
            del self.replacements[worker.number]
            return True
        if self.serving[worker.number] is worker:
            self.serving[worker.number] = self.replacements.pop(worker.number, None)
            self._start_at_s[worker.number] = self._clock()
        return False

    def _leaves(self, worker: ServingProcess) -> None:
        worker.leaves_by_s = self._clock() + LEAVING_S
        self.leaving.append(worker)

    def _tick(self) -> None:
        """Once in `TICK_S`, kills workers that do not start or do not answer, and pings the others."""
        if self._clock() < self._next_tick_s:
            return
        self._next_tick_s = self._clock() + TICK_S
        for worker in self.workers():
            if worker.state is WorkerState.STARTING:
                if self._clock() - worker.began_s > START_S:
                    worker.failure = f"It did not serve within {START_S:g} s."
                    worker.kill()
            elif worker.unanswered > MISSED_PINGS or self._clock() > worker.leaves_by_s:
                what = "answer" if worker.unanswered > MISSED_PINGS else "end"
                logger.error("worker %d does not %s, and is killed", worker.number, what)
                worker.kill()
            else:
                if worker.unanswered == 0:
                    worker.tell(Ping())
                worker.unanswered += 1

    # Restarts ---------------------------------------------------------------------------------------------------------

    def restart_all(self) -> None:
        """Replaces all workers, one after the other, if the settings can be used."""
        try:
            self._prepared = process.prepare(self._host)
        except SettingsError as error:
            logger.error("the workers go on with their settings, as the new ones can't be used: %s", error)
            return
        except Exception:  # whatever is wrong with the new settings, the sessions must go on
            logger.exception("the workers go on with their settings, as the new ones can't be used")
            return
        newest = (self.replacements.get(number, worker) for number, worker in enumerate(self.serving))
        self._restarting = deque(filter(None, newest))

    def _keep(self, number: int, why: str) -> None:
        """Replaces no more workers, as that of this number could not be replaced."""
        logger.error("worker %d goes on, as its replacement can't start: %s", number, why)
        self._restarting.clear()

    def _restart_next(self) -> None:
        """Starts the next replacement. At most as many processes end at a time as serve, as each takes memory."""
        while self._restarting and not self.replacements and len(self.leaving) < self.processes_num:
            old = self._restarting[0]
            if self.serving[old.number] is old:  # otherwise it has ended, and its successor has the new settings
                if old.state is WorkerState.STARTING:
                    return
                try:
                    self.replacements[old.number] = self.new_worker(old.number)
                except OSError as error:
                    self._keep(old.number, str(error))
                    return
            self._restarting.popleft()

    # The end ----------------------------------------------------------------------------------------------------------

    def _end_all(self, order: Order) -> None:
        """Ends all workers. Each further order only shortens that."""
        self._order = order
        for each in self.sockets:
            each.close()  # nobody may wait for workers that will not come
        for worker in self.workers():
            worker.end(order)
        self._kill_at_s = min(self._kill_at_s, self._clock() + (HURRIED_END_S if order is Order.HURRY else END_S))

    def handle_term(self) -> None:
        self._end_all(Order.STOP if self._order is None else Order.HURRY)

    def handle_int(self) -> None:
        self._end_all(Order.END if self._order is None else Order.HURRY)

    def handle_hup(self) -> None:
        if self._order is None:
            logger.info("SIGHUP: the workers are replaced one after the other")
            self.restart_all()

    def handle_ttin(self) -> None:
        self._refuse_to_resize()

    def handle_ttou(self) -> None:
        self._refuse_to_resize()

    def _refuse_to_resize(self) -> None:
        logger.warning("the number of workers is fixed, because each has a share of MAX_SESSIONS: set WORKERS")

    # The share link ---------------------------------------------------------------------------------------------------

    def add(self, name: str) -> None:
        """Tells all workers a name under which the server is reached. May be called in any thread."""
        self._names.put(name)
        with contextlib.suppress(OSError):  # it has ended meanwhile
            self._waker.send(b"\0")

    def _pass_names_on(self) -> None:
        with contextlib.suppress(queue.Empty):
            while name := self._names.get_nowait():
                self._known_names = (*self._known_names, name)
                for worker in self.workers():
                    worker.tell(NewName(name))


def supervise(prepared: Prepared, listener: socket.socket, count: int, *, host: str | None, share: bool) -> int:
    """Serves with `count` workers until asked to end. Returns the exit status. Raises SettingsError."""
    if os.name == "nt":
        raise SettingsError("WORKERS: Several workers need Linux or macOS; on Windows there can be only one")
    # Its mode is 0700. A thread that hangs may still write metrics into it when it is removed.
    with tempfile.TemporaryDirectory(prefix="voicebot-", dir=_short_folder(), ignore_cleanup_errors=True) as folder:
        supervisor = Supervisor(prepared, listener, count, Path(folder), host=host)
        if share:
            link = threading.Thread(
                target=_open_link, args=(listener, prepared.settings, supervisor), name="share", daemon=True
            )
            link.start()
        supervisor.run()
    if supervisor.failure is None:
        return 0
    sys.stderr.write(f"Voice Bot can't start.\n{supervisor.failure}\n")
    return 1


def _short_folder() -> str | None:
    """Returns the folder for temporary files if the paths of sockets in it are too long, or None for the usual one."""
    return "/tmp" if len(os.fsencode(tempfile.gettempdir())) > LONGEST_TMPDIR else None


def _open_link(listener: socket.socket, settings: Settings, supervisor: Supervisor) -> None:
    """Opens the one share link of all workers."""
    import asyncio

    from voicebot.web.ui.share import open_link

    host, port = listener.getsockname()[:2]
    asyncio.run(open_link(host, port, settings, supervisor))
