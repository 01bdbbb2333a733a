"""A worker for tests: echoes a job's input, hangs, dies, or can't even start, as it is told."""

from __future__ import annotations

import os
import sys
import time

from voicebot.engines.worker.child import Parent, serve
from voicebot.engines.worker.frames import Kind, Message


class EchoHandler:
    def __init__(self) -> None:
        if "unfit" in sys.argv:
            raise ValueError("this worker is not fit for work")

    def handle(self, start: Message, parent: Parent) -> None:
        match start.fields.get("do"):
            case "hang":
                parent.send(Message(Kind.DATA, {"text": "hanging"}))
                time.sleep(60)
            case "environment":
                parent.send(Message(Kind.DATA, {"names": " ".join(sorted(os.environ))}))
            case "die":
                os._exit(3)
            case "print":
                print("a library that prints", flush=True)  # noqa: T201
        while (message := parent.receive()) is not None and message.kind is Kind.DATA:
            parent.send(message)


if __name__ == "__main__":
    serve(EchoHandler)
