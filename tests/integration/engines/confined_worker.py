"""A confined worker for tests. On request it uses memory or processor time or writes a file; it reports its limits."""

from __future__ import annotations

import os
import resource
import tempfile

from voicebot.engines.worker.child import Parent, limited_processor_time, serve
from voicebot.engines.worker.messages import WorkerMessage

MEMORY_BYTES = 50_000_000
TIME_S = 0.3


class ConfinedHandler:
    def handle(self, request: WorkerMessage, parent: Parent) -> None:
        match request.fields.get("do"):
            case "eat":
                bytearray(4 * MEMORY_BYTES)
            case "spin":
                with limited_processor_time(TIME_S):
                    while True:
                        pass
            case "write":
                with tempfile.TemporaryFile(buffering=0) as file:
                    file.write(b"x")
        parent.send(
            {
                "niceness": os.nice(0),
                "descriptors": len(os.listdir("/proc/self/fd")) - 1,
                "core": resource.getrlimit(resource.RLIMIT_CORE)[1],
            }
        )


if __name__ == "__main__":
    serve(ConfinedHandler, memory_bytes=MEMORY_BYTES)
