"""Sets up the log, and keeps the keys that some libraries would log out of it."""

from __future__ import annotations

import logging

VERBOSE = (
    *("aioice", "httpcore", "httpx", "httpx2", "urllib3", "openai", "groq", "websockets", "langsmith", "mcp"),
    "alembic",  # logs that it does not expect transactions of SQLite, but there is one
    "uvicorn.error",  # logs its start after the line with the address to open, which should be the last one
)
"""Loggers of libraries that log every request at INFO or DEBUG. Some include the headers, which may hold keys."""


def set_up(level: str, worker: int | None = None) -> None:
    """Logs to stderr from `level` (DEBUG, INFO, …) on. The `VERBOSE` loggers log only warnings and errors.

    The lines of one of several workers say its number.
    """
    speaker = "" if worker is None else f"worker {worker} "
    logging.basicConfig(level=level, format=f"%(asctime)s %(levelname)s {speaker}%(name)s: %(message)s")
    for name in VERBOSE:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLogger().level))
