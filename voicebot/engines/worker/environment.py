"""The environment of worker processes: what Python and the libraries need, and none of the server's keys."""

from __future__ import annotations

import os

_PROCESS = (
    *("PATH", "HOME", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT", "LANG", "LC_ALL", "LC_CTYPE"),
    *("PYTHONHOME", "PYTHONPATH", "PYTHONUSERBASE", "PYTHONUTF8", "PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX"),
    *("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH"),
)
"""What it takes to start Python with the packages of this one and to find the libraries."""

_NETWORK = (
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("http_proxy", "https_proxy", "all_proxy", "no_proxy"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
)
"""What it takes to reach a service: a proxy's address may hold a password, so only workers that need it get it."""


def worker_environment(*, network: bool) -> dict[str, str]:
    """The variables of this process that a worker is given."""
    names = (*_PROCESS, *_NETWORK) if network else _PROCESS
    # One memory arena is enough for a worker, and keeps its address space small, which may be limited.
    return {"MALLOC_ARENA_MAX": "1"} | {name: os.environ[name] for name in names if name in os.environ}
