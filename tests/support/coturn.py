"""A real TURN server on the loopback interface: coturn, with credentials that expire."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.certificate import certificate_in
from voicebot.transports.webrtc.ice.credentials import signed_login

SECRET = "north"


@dataclass(frozen=True, slots=True)
class Coturn:
    port: int
    tls_port: int
    certificate: Path
    log: Path

    def url(self, transport: str = "udp") -> str:
        return f"turn:127.0.0.1:{self.port}?transport={transport}"

    @property
    def tls_url(self) -> str:
        return f"turns:127.0.0.1:{self.tls_port}?transport=tcp"

    def login(self, ttl_s: int) -> tuple[str, str]:
        return signed_login(SECRET, ttl_s)

    async def logged(self, text: str, times: int = 1) -> None:
        """Waits until the log of the server process holds `text` at least `times` times."""
        async with asyncio.timeout(5):
            while self.log.read_text("utf-8", "replace").count(text) < times:  # noqa: ASYNC110
                await asyncio.sleep(0.05)


@contextmanager
def running_coturn(folder: Path) -> Iterator[Coturn]:
    """Runs coturn until the block ends. Skips the test where coturn is not installed."""
    program = shutil.which("turnserver")
    if program is None:
        pytest.skip("coturn is not installed (apt-get install coturn)")
    port, tls_port, log = _free_port(), _free_port(), folder / "coturn.log"
    certificate = certificate_in(folder)
    options = [
        *("--listening-ip", "127.0.0.1", "--relay-ip", "127.0.0.1", "--listening-port", str(port)),
        *("--use-auth-secret", "--static-auth-secret", SECRET, "--realm", "test"),
        *("--userdb", str(folder / "turndb"), "--pidfile", str(folder / "pid"), "--log-file", "stdout"),
        *("--tls-listening-port", str(tls_port), "--cert", str(certificate), "--pkey", str(certificate)),
        *("-n", "--verbose", "--no-cli", "--no-dtls", "--allow-loopback-peers"),
    ]
    with log.open("w") as output:
        started = subprocess.Popen([program, *options], cwd=folder, stdout=output, stderr=output)
    try:
        _wait_for(port, started, log)
        yield Coturn(port, tls_port, certificate, log)
    finally:
        started.terminate()
        started.wait(10)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _wait_for(port: int, started: subprocess.Popen[bytes], log: Path, timeout_s: float = 10) -> None:
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s and started.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except ConnectionRefusedError:
            time.sleep(0.05)
        else:
            return
    raise ChildProcessError(f"coturn did not start:\n{log.read_text('utf-8', 'replace')}")
