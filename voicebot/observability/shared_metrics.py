"""The folder in which several workers share their metrics, as prometheus-client's multiprocess mode writes them.

Each process has a file for its counters, one for its histograms and one for each kind of gauge. The library has no
function that joins the files of ended processes, so they would pile up.
"""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from prometheus_client.core import Metric
from prometheus_client.mmap_dict import MmapedDict, mmap_key
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

COUNTING = ("counter", "histogram")
"""The kinds of metrics that outlive their process."""

ENDED = "ended"
"""Takes the place of the process id in the names of the files that have what all ended processes have counted."""


class SharedMetrics(Collector):
    """The metrics of all processes together."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterable[Metric]:
        with _locked(self._folder, fcntl.LOCK_SH):
            written = [str(each) for each in self._folder.glob("*.db") if _is_written(each)]
            metrics: Iterable[Metric] = MultiProcessCollector.merge(written)
            return metrics


def reserve_space(folder: Path, pid: int) -> None:
    """Takes the disk space of a process's files, which are sparse at first. Call it in that process.

    A process that writes into a mapped page for which the disk has no space is ended by SIGBUS. Files that grow beyond
    their first 64 KiB are sparse again. Raises OSError if there is no space.
    """
    for path in folder.glob(f"*_{pid}.db"):
        with path.open("r+b") as file:
            (used,) = struct.unpack("i", file.read(4))
            file.seek(used)
            file.write(bytes(path.stat().st_size - used))


def remove_gauges(folder: Path, pid: int) -> None:
    """Removes the gauges of a worker that has ended, or serves no more. What it has counted stays."""
    mark_process_dead(pid, str(folder))


def forget_worker(folder: Path, pid: int) -> None:
    """Removes the gauges of a worker that has ended, and adds what it has counted to that of earlier ones.

    Takes a few milliseconds. The process must have ended. May be called again, and for one that has counted nothing.
    """
    if not folder.exists():  # no worker has come as far as counting
        return
    with _locked(folder, fcntl.LOCK_EX):
        remove_gauges(folder, pid)
        for kind in COUNTING:
            last = folder / f"{kind}_{pid}.db"
            if not last.exists():
                continue
            if last.stat().st_size:
                _join(folder / f"{kind}_{ENDED}.db", last)
            else:  # the worker was killed when it had just begun the file
                last.unlink()


def _is_written(file: Path) -> bool:
    """Returns False if a worker has just begun the file, or has just removed it."""
    try:
        return file.stat().st_size > 0
    except FileNotFoundError:
        return False


def _join(total: Path, last: Path) -> None:
    """Adds the counts of one file to those of `total`, which may be missing, and deletes it.

    It is deleted even if it can't be read, as nobody could read the metrics any more while it is there.
    """
    joined = total.with_suffix(".joined")
    sources = [each for each in (total, last) if each.exists()]
    try:
        metrics = MultiProcessCollector.merge([str(each) for each in sources], accumulate=False)
        # On a full disk this raises an error. To write into a mapped file would end the process.
        joined.write_bytes(bytes(sum(each.stat().st_size for each in sources)))
        with closing(MmapedDict(str(joined))) as values:
            for metric in metrics:
                for sample in metric.samples:
                    labels = sample.labels
                    key = mmap_key(metric.name, sample.name, list(labels), list(labels.values()), metric.documentation)
                    values.write_value(key, sample.value, 0.0)
        joined.replace(total)
    finally:
        last.unlink()


@contextmanager
def _locked(folder: Path, how: int) -> Iterator[None]:
    """Keeps readers from files that are being joined. The lock ends with the process that holds it."""
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, how)
        yield
    finally:
        os.close(handle)
