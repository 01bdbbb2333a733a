"""The place of a worker among the workers of one machine, and the Unix sockets on which they answer one another."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

from voicebot.runtime.clock import SteadyClock


@dataclass(frozen=True, slots=True)
class WorkerPlace:
    """The place of one worker process. Where None stands for a place, one process serves alone.

    `folder` is private to the supervisor and its workers (mode 0700). `number` counts from 0, and a worker that
    replaces another one has its number. `count` is the number of workers that serve.

    Each process listens on a socket that bears its process id. A link that bears its number leads to the newest one, so
    that a worker that still ends remains reachable beside its replacement.

    All workers have one `clock`. Once the system's clock was set, a worker with a clock of its own would misjudge the
    times that others have stored.
    """

    folder: Path
    number: int
    count: int
    clock: SteadyClock = field(default_factory=SteadyClock, compare=False)

    def __post_init__(self) -> None:
        if not 0 <= self.number < self.count:
            raise ValueError(f"There is no worker {self.number} among {self.count}.")

    @property
    def metrics_folder(self) -> Path:
        """The folder in which the workers share their metrics."""
        return self.folder / "metrics"

    def share_metrics(self) -> None:
        """Makes this process write its metrics into that folder.

        Raises RuntimeError if prometheus-client is loaded already: it chooses where to write when it is loaded.
        """
        if "prometheus_client" in sys.modules:
            raise RuntimeError("prometheus_client was loaded before it could know the folder of the workers' metrics")
        self.metrics_folder.mkdir(exist_ok=True)
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(self.metrics_folder)

    def socket(self, number: int) -> Path:
        """Returns the path at which the worker with this number answers. It may not be there, or be dead."""
        return self.folder / f"worker-{number}.sock"

    def process_socket(self, process: int) -> Path:
        """Returns the path of the socket of this worker's process with this id, which stays while that process runs."""
        return self.folder / f"worker-{self.number}-{process}.sock"

    def other_sockets(self) -> list[Path]:
        """Returns the sockets of all other processes, those that serve and those that are ending. Some may be dead."""
        own = self.process_socket(os.getpid())
        return sorted(path for path in self.folder.glob("worker-*-*.sock") if path != own)

    def announce(self) -> None:
        """Makes the link of this worker's number lead to this process, which listens already."""
        link, new = self.socket(self.number), self.folder / f"new-{os.getpid()}"
        new.symlink_to(self.process_socket(os.getpid()).name)
        new.replace(link)  # in one step, so that the number always leads to a worker

    def share_of(self, total: int) -> int:
        """Returns this worker's share of a limit that holds for all workers together, rounded up."""
        return -(-total // self.count)
