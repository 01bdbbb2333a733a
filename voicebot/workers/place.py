"""The place of a worker among the workers of one machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class WorkerPlace:
    """The place of one worker process. Where None stands for a place, one process serves alone.

    `folder` is private to the supervisor and its workers (mode 0700). `number` counts from 0, and a worker that
    replaces a dead one has its number. `count` is the number of workers."""

    folder: Path
    number: int
    count: int

    def __post_init__(self) -> None:
        if not 0 <= self.number < self.count:
            raise ValueError(f"There is no worker {self.number} among {self.count}.")

    def socket(self, number: int) -> Path:
        """Returns the path of the Unix socket on which the worker with this number answers its siblings."""
        return self.folder / f"worker-{number}.sock"

    @property
    def own_socket(self) -> Path:
        """The path of this worker's Unix socket."""
        return self.socket(self.number)

    @property
    def siblings(self) -> tuple[int, ...]:
        """The numbers of the other workers."""
        return tuple(number for number in range(self.count) if number != self.number)

    @property
    def metrics_folder(self) -> Path:
        """The folder in which the workers share their metrics. PROMETHEUS_MULTIPROC_DIR must name it."""
        return self.folder / "metrics"
