"""`python -m tests.attacks.probe URL ADDRESS [PID]`: how long `GET /health` takes from outside, every 20 ms.

A line for each: `lag SECONDS MS` over a connection that is kept, and twice a second `new SECONDS MS` over a fresh one;
the time is monotonic and of its end, and less than 0 ms means that no answer came after so long. It is a process of its
own so that nothing but the app's own delay is measured. With the PID of the app, the time for which the app's main
thread, or the probe, could have run but another process had the processor does not count (Linux only).
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
    """How long one answer takes; less than 0 if there is none.

    With the process number of the `app`, its waiting for the processor, and this thread's, does not count. A kept
    connection that the server has closed meanwhile is opened again, as every client does, and that takes its time too.
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
