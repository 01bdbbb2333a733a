"""A temporary Postgres cluster for the tests, on a free port of this machine."""

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
"""The user that Debian's package creates. Postgres refuses to run as root."""

PASSWORD = "hush-hush"


class Postgres:
    """A server that tests can stop and start again. `url` is for DATABASE_URL; the server requires its password."""

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
        """Starts the server and waits until it is ready. Raises ChildProcessError if it fails.

        The server ends with the thread that calls this (`--pdeathsig`), which must be the main one.
        """
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
        """Stops the server at once and breaks all connections.

        A test that has connections calls it in a thread: a backend may wait for the event loop, and the server for it.
        """
        if self._server is not None:
            self._server.send_signal(signal.SIGINT)
            try:
                self._server.wait(10)
            finally:
                self._server.kill()
                self._server = None

    def new_database(self, name: str) -> str:
        """Creates a database and returns its URL."""
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
        """Returns the command for a user that Postgres accepts. The kernel ends the process when this one ends."""
        as_user = ["setpriv", f"--reuid={SERVER_USER}", f"--regid={SERVER_USER}", "--init-groups", "--pdeathsig=INT"]
        return [*(as_user if os.geteuid() == 0 else ()), str(self._binaries / program), *arguments]


def binaries() -> Path | None:
    """Returns the folder of the newest Postgres of Debian's package, otherwise of the one in the path, or None."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    found = debian[-1] if debian else shutil.which("initdb")
    return Path(found).parent if found else None


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """Runs Postgres until the block ends. Skips the test where it is missing, or fails it if REQUIRE_POSTGRES=1."""
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
