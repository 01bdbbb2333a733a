"""A worker for tests. On request it returns its input, hangs, dies, sends too much, or does not even start."""

from __future__ import annotations

import os
import sys
import time

from voicebot.engines.worker.child import Parent, serve
from voicebot.engines.worker.messages import WorkerMessage


class EchoHandler:
    def __init__(self) -> None:
        if "unfit" in sys.argv:
            raise ValueError("this worker cannot start")
        self._jobs = 0

    def handle(self, request: WorkerMessage, parent: Parent) -> None:
        self._jobs += 1
        match request.fields.get("do"):
            case "hang":
                parent.send({"text": "hanging"})
                time.sleep(60)
            case "hang at once":
                time.sleep(60)
            case "environment":
                parent.send({"names": " ".join(sorted(os.environ))})
            case "die":
                os._exit(3)
            case "die at the second job" if self._jobs == 2:
                os._exit(3)
            case "print":
                print("a library that prints", flush=True)  # noqa: T201
            case "flood":
                parent.send({}, bytes(2_000_000))
            case "long":
                for _ in range(20):
                    time.sleep(0.01)
                    parent.send({}, bytes(100_000))
        for part in request.body.split(b"|"):
            parent.send({}, part)


if __name__ == "__main__":
    serve(EchoHandler)
