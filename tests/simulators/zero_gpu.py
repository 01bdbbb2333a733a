"""Simulates ZeroGPU's device API, which runs beside each app on ZeroGPU; the package `spaces` reports the start to it.

Source: spaces/zero/client.py and api.py (spaces 0.51.3): `POST /startup-report` without a body expects 200. The server
runs in a thread, because the tests wait for the app's process.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

import psutil


@dataclass(frozen=True, slots=True)
class Report:
    """A request, and whether the process that sent it was already listening on a port."""

    path: str
    listening: bool


class DeviceApi(ThreadingHTTPServer):
    """Answers each request with `status`."""

    def __init__(self, status: int = 200) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = status
        self.reports: list[Report] = []

    @property
    def environment(self) -> dict[str, str]:
        """Returns the variables that Hugging Face sets on ZeroGPU, in lower case as `running_app` takes them."""
        return {
            "system": "spaces",
            "space_id": "me/voice-bot",
            "space_host": "me-voice-bot.hf.space",
            "spaces_zero_gpu": "true",
            "spaces_zero_device_api_url": f"http://127.0.0.1:{self.server_address[1]}",
        }

    @contextmanager
    def running(self) -> Iterator[DeviceApi]:
        thread = threading.Thread(target=self.serve_forever, args=(0.01,), name="device API")
        thread.start()
        try:
            yield self
        finally:
            self.shutdown()
            thread.join()
            self.server_close()


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        api = cast(DeviceApi, self.server)
        api.reports.append(Report(self.path, _listens(self.client_address)))
        self.send_response(api.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Suppresses the log, since the tests look at the reports."""


def _listens(client: tuple[str, int]) -> bool:
    """Returns True if the process at the other end of a connection on this machine has a listening socket."""
    sockets = psutil.net_connections("tcp")
    (pid,) = {each.pid for each in sockets if each.laddr == client}
    return any(each.pid == pid and each.status == psutil.CONN_LISTEN for each in sockets)
