"""Tells whether a process of this machine still lives, by a lock that the kernel releases when the process ends."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

try:
    import fcntl
except ImportError:  # on Windows, where there are no workers
    fcntl = None  # type: ignore[assignment]


class SignOfLife:
    """A locked file `alive-NAME` in the private folder of the workers, from its creation until `close`, or until its
    process ends, however it ends.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._path = _path(folder, name)
        self._file = os.fdopen(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600), "rb+")
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def close(self) -> None:
        """Releases the lock, so that this process counts as dead. May be called again."""
        self._file.close()

    def remove(self) -> None:
        """Removes the file, after which nobody can ask about this process any more."""
        with contextlib.suppress(OSError):  # the supervisor may have removed the folder
            self._path.unlink()


def is_dead(folder: Path, name: str) -> bool:
    """Returns True if the process of this name has ended and has left its file behind.

    Returns False if it lives, or if there is no such file: the process may be one of another machine.
    """
    try:
        file = os.open(_path(folder, name), os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared, so that two that look do not disturb each other
    except BlockingIOError:
        return False
    finally:
        os.close(file)
    return True


def _path(folder: Path, name: str) -> Path:
    return folder / f"alive-{name}"
