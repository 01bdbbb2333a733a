"""Turns the errors of httpx into EngineError, for the voices that are HTTP services."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from voicebot.engines.errors import EngineError, Fault


@contextmanager
def http_errors(engine: str, timeout_s: float) -> Iterator[None]:
    """Raises EngineError for a request in the block that fails. The cause is left out: httpx's text may hold a key."""
    try:
        yield
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError):
        raise EngineError(engine, "no connection", fault=Fault.UNREACHABLE) from None
    except (httpx.TimeoutException, TimeoutError):
        raise EngineError(engine, f"no answer within {timeout_s:g} s", fault=Fault.TIMEOUT) from None
    except httpx.HTTPError:
        raise EngineError(engine, "the connection broke") from None
