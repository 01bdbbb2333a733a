"""`python -m tests.attacks.probe URL ADDRESS [PID]` measures the response time of `GET /health` every 20 ms.

Each measurement prints a line: `lag SECONDS MS` over a kept connection, and twice a second `new SECONDS MS` over a
fresh one. SECONDS is the monotonic time of its end. A negative MS means that no answer came within that time. The probe
is a process of its own so that it measures nothing but the app's delay. With the PID of the app, the time in which the
app's main thread or the probe could run but waited for a processor does not count (Linux only).
"""

from __future__ import annotations

import contextlib
import http.client
import os
import sys
import threading
import time
from urllib.parse import urlsplit

from tests.support.processor import waited_s

STEP_S = 0.02
FRESH_S = 0.5
PATIENCE_S = 10.0

FAILURES = (OSError, http.client.HTTPException)


def connection(url: str, address: str) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    assert parts.hostname is not None
    return http.client.HTTPConnection(parts.hostname, parts.port, PATIENCE_S, source_address=(address, 0))


def asked_ms(link: http.client.HTTPConnection, app: int | None = None) -> float:
    """Returns the time until an answer, negated if none came.

    With the process number of the `app`, the time in which it and this thread wait for a processor does not count. A
    kept connection that the server has closed is opened again, as every client does, and that time counts.
    """
    waiting_s, began_s = _waited_s(app), time.monotonic()
    well = _answers(link) or (time.monotonic() - began_s < PATIENCE_S and _answers(link))
    took_ms = (time.monotonic() - began_s) * 1_000
    if not well:
        return -took_ms
    return max(took_ms - (_waited_s(app) - waiting_s) * 1_000, 0.01)


def _waited_s(app: int | None) -> float:
    return 0.0 if app is None else waited_s() + waited_s(app, app)


def _answers(link: http.client.HTTPConnection) -> bool:
    try:
        link.request("GET", "/health")
        answer = link.getresponse()
        answer.read()
    except FAILURES:
        link.close()
        return False
    return answer.status == 200


def tell(kind: str, ms: float) -> None:
    sys.stdout.write(f"{kind} {time.monotonic():.4f} {ms:.2f}\n")
    sys.stdout.flush()


def fresh(url: str, address: str, app: int | None) -> None:
    while True:
        with contextlib.closing(connection(url, address)) as link:
            tell("new", asked_ms(link, app))
        time.sleep(FRESH_S)


def main() -> None:
    url, address, *pid = sys.argv[1:]
    app = int(pid[0]) if pid else None
    threading.Thread(target=fresh, args=(url, address, app), daemon=True).start()
    link = connection(url, address)
    due_s = time.monotonic()
    parent = os.getppid()
    while os.getppid() == parent:
        tell("lag", asked_ms(link, app))
        now_s = time.monotonic()
        due_s = max(due_s + STEP_S, now_s)
        time.sleep(due_s - now_s)


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError, KeyboardInterrupt):
        main()
