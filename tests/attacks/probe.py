"""`python -m tests.attacks.probe URL ADDRESS`: how long `GET /health` takes from outside, every 20 ms.

A line for each: `lag SECONDS MS` over a connection that is kept, and twice a second `new SECONDS MS` over a fresh one;
the time is monotonic and of its end, and less than 0 ms means that no answer came after so long. It is a process of its
own so that nothing but the app's own delay is measured.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import sys
import threading
import time
from urllib.parse import urlsplit

STEP_S = 0.02
FRESH_S = 0.5
PATIENCE_S = 10.0

FAILURES = (OSError, http.client.HTTPException)


def connection(url: str, address: str) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    assert parts.hostname is not None
    return http.client.HTTPConnection(parts.hostname, parts.port, PATIENCE_S, source_address=(address, 0))


def asked_ms(link: http.client.HTTPConnection) -> float:
    """How long one answer takes; less than 0 if there is none.

    A kept connection that the server has closed meanwhile is opened again, as every client does, and that takes its
    time too.
    """
    began_s = time.monotonic()
    well = _answers(link) or (time.monotonic() - began_s < PATIENCE_S and _answers(link))
    took_ms = max((time.monotonic() - began_s) * 1_000, 0.01)
    return took_ms if well else -took_ms


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


def fresh(url: str, address: str) -> None:
    while True:
        with contextlib.closing(connection(url, address)) as link:
            tell("new", asked_ms(link))
        time.sleep(FRESH_S)


def main() -> None:
    url, address = sys.argv[1:]
    threading.Thread(target=fresh, args=(url, address), daemon=True).start()
    link = connection(url, address)
    due_s = time.monotonic()
    parent = os.getppid()
    while os.getppid() == parent:
        tell("lag", asked_ms(link))
        now_s = time.monotonic()
        due_s = max(due_s + STEP_S, now_s)
        time.sleep(due_s - now_s)


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError, KeyboardInterrupt):
        main()
