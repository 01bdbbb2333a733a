"""Servers of other projects that tests start as processes of their own."""

from __future__ import annotations

import socket
import subprocess
import time
from pathlib import Path


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def wait_until_listening(port: int, started: subprocess.Popen[bytes], log: Path, timeout_s: float = 10) -> None:
    """Waits until the process accepts connections on `port`. Raises ChildProcessError, with its log, if it does not."""
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s and started.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except ConnectionRefusedError:
            time.sleep(0.05)
        else:
            return
    raise ChildProcessError(f"the server did not start:\n{log.read_text('utf-8', 'replace')}")
