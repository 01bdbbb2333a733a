"""The log: what it shows, and what never gets into it."""

from __future__ import annotations

import logging

TALKATIVE = (
    *("aioice", "httpcore", "httpx", "httpx2", "urllib3", "openai", "groq", "websockets", "langsmith"),
    "uvicorn.error",  # its start, after which the address to open is no longer the last line
)
"""Libraries that log each request at INFO or DEBUG, some of them with its headers: `websockets` shows keys there."""


def set_up(level: str) -> None:
    """Log to stderr from `level` (DEBUG, INFO, …) on; libraries that tell too much only warnings and worse."""
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLogger().level))
