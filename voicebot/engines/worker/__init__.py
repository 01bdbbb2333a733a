"""Worker processes for C libraries that hold the GIL or have one global state, driven from asyncio.

A worker is `python -m <module>`, which calls `child.serve`; it talks `frames` over its stdin and stdout. It exits when
its stdin ends, so a parent that dies in any way leaves nothing behind.
"""

from voicebot.engines.worker.frames import Kind, Message
from voicebot.engines.worker.pool import Job, WorkerPool

__all__ = ["Job", "Kind", "Message", "WorkerPool"]
