"""nginx and Caddy on this machine, with the configuration files of deploy/."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.certificate import certificate_in
from tests.support.paths import PROJECT
from tests.support.server_process import free_port, wait_until_listening

DEPLOY = PROJECT / "deploy"
HOST = "bot.example.org"
"""The host name in the configuration files."""

NGINX_MAIN = """\
daemon off;
pid nginx.pid;
events {{}}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
{site}
}}
"""
"""The main configuration around deploy/nginx.conf, like Debian's own, but for an nginx that is not started by root."""


@dataclass(frozen=True, slots=True)
class ReverseProxy:
    port: int
    """The port for HTTPS."""
    http_port: int
    tls: ssl.SSLContext
    """The TLS settings of a test's client, which trusts the proxy's certificate and no other."""
    log: Path


@dataclass(frozen=True, slots=True)
class Ports:
    bot: int
    http: int
    https: int


def nginx_configuration(ports: Ports, certificate: Path, *, under_path: bool) -> str:
    site = (DEPLOY / "nginx.conf").read_text("utf-8")
    site = _replaced(site, "listen 80;", f"listen 127.0.0.1:{ports.http};")
    site = _replaced(site, "listen 443 ssl;", f"listen 127.0.0.1:{ports.https} ssl;")
    for name in ("fullchain", "privkey"):
        site = _replaced(site, f"/etc/letsencrypt/live/{HOST}/{name}.pem", str(certificate))
    if under_path:
        site = _replaced(site, "    location / { proxy_pass", "    # location / { proxy_pass")
        site = _replaced(site, "# location /bot/", "location /bot/")
    return NGINX_MAIN.format(site=site.replace("127.0.0.1:7860", f"127.0.0.1:{ports.bot}"))


def caddy_configuration(ports: Ports, certificate: Path, *, under_path: bool) -> str:
    site = (DEPLOY / "Caddyfile").read_text("utf-8")
    site = _replaced(site, "# tls /etc/caddy/certificate.pem /etc/caddy/key.pem", f"tls {certificate} {certificate}")
    if under_path:
        site = _replaced(site, "\n\treverse_proxy", "\n\t# reverse_proxy")
        before, marker, lines = site.partition("these lines replace the one above:\n")
        assert marker
        site = before + marker + lines.replace("\t# ", "\t")
    options = f"{{\n\tadmin off\n\thttp_port {ports.http}\n\thttps_port {ports.https}\n}}\n"
    return options + site.replace("127.0.0.1:7860", f"127.0.0.1:{ports.bot}")


CONFIGURATIONS: dict[str, Callable[..., str]] = {"nginx": nginx_configuration, "caddy": caddy_configuration}
COMMANDS = {
    "nginx": ["nginx", "-p", ".", "-e", "stderr", "-c", "configuration"],
    "caddy": ["caddy", "run", "--adapter", "caddyfile", "--config", "configuration"],
}


@contextmanager
def running_proxy(program: str, bot_port: int, *, under_path: bool = False) -> Iterator[ReverseProxy]:
    """Runs nginx or Caddy in front of the bot until the block ends, with the bot under /bot/ if `under_path`.

    Skips the test where the program is missing, or fails it if REQUIRE_PROXIES=1. As root, it runs as another user.
    """
    if shutil.which(program) is None:
        message = f"{program} is missing: apt-get install nginx-light caddy"
        if os.environ.get("REQUIRE_PROXIES") == "1":
            pytest.fail(message)
        pytest.skip(message)
    with tempfile.TemporaryDirectory(prefix=f"voicebot-{program}-") as name:
        folder = Path(name)
        certificate = certificate_in(folder, HOST)
        ports = Ports(bot_port, free_port(), free_port())
        configuration = CONFIGURATIONS[program](ports, certificate, under_path=under_path)
        (folder / "configuration").write_text(configuration, "utf-8")
        log = folder / "log"
        command = ["setpriv", "--pdeathsig=TERM", *COMMANDS[program]]
        if os.geteuid() == 0:
            for path in (folder, *folder.iterdir()):
                shutil.chown(path, "nobody", "nogroup")
            command[1:1] = ["--reuid=nobody", "--regid=nogroup", "--clear-groups"]
        with log.open("wb") as output:
            home = {"HOME": name, "XDG_DATA_HOME": name, "XDG_CONFIG_HOME": name, "PATH": os.environ["PATH"]}
            started = subprocess.Popen(command, cwd=folder, env=home, stdout=output, stderr=output)
        try:
            wait_until_listening(ports.https, started, log)
            tls = ssl.create_default_context(cafile=certificate)
            yield ReverseProxy(ports.https, ports.http, tls, log)
        finally:
            started.terminate()
            try:
                started.wait(10)
            finally:
                started.kill()


def _replaced(text: str, old: str, new: str) -> str:
    assert text.count(old) == 1, f"{old!r} is not once in the file of deploy/"
    return text.replace(old, new)
