"""The file of a SQLite database, which can be deleted or replaced at any time."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

FILE_ID = "file_id"
"""The key in `info` of a pooled connection under which the FileId of its SQLite file is kept."""


class FileId(NamedTuple):
    """Identifies a file independently of its path. No other file has the same id while this one is open."""

    device: int
    inode: int


NO_FILE = FileId(0, 0)
"""The id in place of a file's for Postgres."""


class SqliteFile:
    """The file of a SQLite database."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def id(self) -> FileId | None:
        """Returns the id of the file at the path; None if there is none."""
        try:
            status = self.path.stat()
        except OSError:
            return None
        return FileId(status.st_dev, status.st_ino)

    def make(self) -> None:
        """Creates an empty file that only this user can read, unless there is a file. Raises OSError.

        SQLite gives its journal the same permissions.
        """
        if not self.path.exists():
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))


def file_id(connection: AsyncConnection) -> FileId:
    """Returns the id of the file that the connection has open; NO_FILE for Postgres."""
    found: FileId = connection.info.get(FILE_ID, NO_FILE)
    return found
