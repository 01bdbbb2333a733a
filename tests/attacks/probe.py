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

STEP_S = 0.02
FRESH_S = 0.5
PATIENCE_S = 10.0

FAILURES = (OSError, http.client.HTTPException)


class Processor:
    """Tells how long threads have waited for the processor since they began; 0 where nothing is known of it."""

    def __init__(self, pid: int | None) -> None:
        self._pid = pid

    def waited_ms(self) -> float:
        """Of the main thread of that process, and of this thread, which asks it."""
        if self._pid is None:
            return 0.0
        return _waited_ms(self._pid, self._pid) + _waited_ms(os.getpid(), threading.get_native_id())


def _waited_ms(process: int, thread: int) -> float:
    try:
        with open(f"/proc/{process}/task/{thread}/schedstat") as figures:
            return int(figures.read().split()[1]) / 1e6
    except OSError:
        return 0.0


def connection(url: str, address: str) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    assert parts.hostname is not None
    return http.client.HTTPConnection(parts.hostname, parts.port, PATIENCE_S, source_address=(address, 0))


def asked_ms(link: http.client.HTTPConnection, processor: Processor) -> float:
    """How long one answer takes; less than 0 if there is none.

    A kept connection that the server has closed meanwhile is opened again, as every client does, and that takes its
    time too.
    """
    waited_ms, began_s = processor.waited_ms(), time.monotonic()
    well = _answers(link) or (time.monotonic() - began_s < PATIENCE_S and _answers(link))
    took_ms = (time.monotonic() - began_s) * 1_000
    if not well:
        return -took_ms
    return max(took_ms - (processor.waited_ms() - waited_ms), 0.01)


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


def fresh(url: str, address: str, processor: Processor) -> None:
    while True:
        with contextlib.closing(connection(url, address)) as link:
            tell("new", asked_ms(link, processor))
        time.sleep(FRESH_S)


def main() -> None:
    url, address, *pid = sys.argv[1:]
    processor = Processor(int(pid[0]) if pid else None)
    threading.Thread(target=fresh, args=(url, address, processor), daemon=True).start()
    link = connection(url, address)
    due_s = time.monotonic()
    parent = os.getppid()
    while os.getppid() == parent:
        tell("lag", asked_ms(link, processor))
        now_s = time.monotonic()
        due_s = max(due_s + STEP_S, now_s)
        time.sleep(due_s - now_s)


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError, KeyboardInterrupt):
        main()
