"""Fetches and reads the page `/metrics`."""

from __future__ import annotations

from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.support.live_server import LiveServer


def samples(page: bytes) -> dict[tuple[str, ...], float]:
    """Returns the value of each series, by its name and the values of its labels (in the order of their names)."""
    families = text_string_to_metric_families(page.decode())
    return {(each.name, *each.labels.values()): each.value for family in families for each in family.samples}


async def scraped(server: LiveServer, **options: Any) -> httpx.Response:
    """Fetches the server's page as Prometheus does."""
    async with httpx.AsyncClient(trust_env=False) as http:
        return await http.get(f"{server.url}/metrics", **options)
