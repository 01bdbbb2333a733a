"""A real TURN server on the loopback interface: coturn with deploy/turnserver.conf, whose credentials expire."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.certificate import certificate_in
from tests.support.paths import PROJECT
from tests.support.server_process import free_port, wait_until_listening
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
    port, tls_port, log = free_port(), free_port(), folder / "coturn.log"
    certificate = certificate_in(folder)
    options = [
        *("-c", str(PROJECT / "deploy" / "turnserver.conf")),
        *("--listening-port", str(port), "--tls-listening-port", str(tls_port)),
        *("--static-auth-secret", SECRET, "--cert", str(certificate), "--pkey", str(certificate)),
        # The file protects this machine and its network, where all peers of a test are.
        *("--listening-ip", "127.0.0.1", "--relay-ip", "127.0.0.1"),
        *("--allow-loopback-peers", "--allowed-peer-ip", "127.0.0.1"),
        *("--userdb", str(folder / "turndb"), "--pidfile", str(folder / "pid"), "--verbose"),
    ]
    with log.open("w") as output:
        started = subprocess.Popen([program, *options], cwd=folder, stdout=output, stderr=output)
    try:
        wait_until_listening(port, started, log)
        yield Coturn(port, tls_port, certificate, log)
    finally:
        started.terminate()
        started.wait(10)
