"""A Postgres of the tests' own: a throw-away cluster on a free port of this machine."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

SERVER_USER = "postgres"
"""Postgres refuses to run as root; Debian's package brings this user."""

PASSWORD = "hush-hush"


class Postgres:
    """Can be stopped and started again. `url` is what DATABASE_URL takes; the password is asked for."""

    def __init__(self, binaries: Path, folder: Path) -> None:
        self._binaries, self._folder = binaries, folder
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self._server: subprocess.Popen[bytes] | None = None

    def url(self, database: str = "postgres", password: str = PASSWORD) -> str:
        return f"postgresql://bot:{password}@127.0.0.1:{self._port}/{database}"

    def make(self) -> None:
        secret = self._folder / "password"
        secret.write_text(PASSWORD)
        if os.geteuid() == 0:
            for path in (self._folder, secret):
                shutil.chown(path, SERVER_USER)
        options = ("--username=bot", "--auth=scram-sha-256", f"--pwfile={secret}", "--encoding=UTF8", "--no-locale")
        self._run("initdb", "--pgdata", str(self._data), "--no-sync", *options)

    def start(self) -> None:
        """Ready when it returns. Raises ChildProcessError."""
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self._port,
            "unix_socket_directories": "",
            "fsync": "off",
            "shared_buffers": "16MB",
            "max_connections": 40,
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        command = self._command("postgres", "-D", str(self._data), *options)
        with (self._folder / "log").open("ab") as log:
            self._server = subprocess.Popen(command, stdout=log, stderr=log, cwd="/")
        deadline_s = time.monotonic() + 20
        while not self._is_ready():
            if time.monotonic() > deadline_s or self._server.poll() is not None:
                raise ChildProcessError((self._folder / "log").read_text("utf-8"))
            time.sleep(0.05)

    def stop(self) -> None:
        """At once, breaking all connections off."""
        if self._server is not None:
            self._server.send_signal(signal.SIGINT)
            try:
                self._server.wait(10)
            finally:
                self._server.kill()
                self._server = None

    def new_database(self, name: str) -> str:
        """Its URL."""
        self._run("createdb", f"--maintenance-db={self.url()}", name)
        return self.url(name)

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def _is_ready(self) -> bool:
        asked = [str(self._binaries / "pg_isready"), "--quiet", "--host=127.0.0.1", f"--port={self._port}"]
        return subprocess.run(asked, check=False).returncode == 0

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(self._command(program, *arguments), capture_output=True, text=True, cwd="/", check=False)
        if done.returncode:
            raise ChildProcessError(f"{program}: {done.stderr}")

    def _command(self, program: str, *arguments: str) -> list[str]:
        """As a user that Postgres accepts, whom the kernel ends with us."""
        as_user = ["setpriv", f"--reuid={SERVER_USER}", f"--regid={SERVER_USER}", "--init-groups", "--pdeathsig=INT"]
        return [*(as_user if os.geteuid() == 0 else ()), str(self._binaries / program), *arguments]


def binaries() -> Path | None:
    """The newest that Debian's package has put there, or whatever is in the path."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    found = debian[-1] if debian else shutil.which("initdb")
    return Path(found).parent if found else None


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """Skips where there is none, unless the suite must be whole."""
    programs = binaries()
    if programs is None:
        if os.environ.get("REQUIRE_POSTGRES") == "1":
            pytest.fail("Postgres is missing: apt-get install postgresql")
        pytest.skip("Postgres is not installed (apt-get install postgresql)")
    with tempfile.TemporaryDirectory(prefix="voicebot-postgres-") as folder:
        postgres = Postgres(programs, Path(folder))
        postgres.make()
        postgres.start()
        try:
            yield postgres
        finally:
            postgres.stop()
