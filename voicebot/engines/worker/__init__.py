"""Worker processes, for C libraries with one global state or of which a crash must not end the server.

A worker is `python -m <module>`, which calls `child.serve`. It exchanges `messages` with the server over its stdin and
stdout. `pool` is the server's side. A worker ends when its stdin ends or, on Linux, when the server dies in any way.

`ProcessPoolExecutor` and `anyio.to_process` are no replacement. Their processes inherit the server's environment with
all keys in it, their results come only as a whole, and the first cannot replace a process that hangs or has crashed.

This module imports nothing, so that a worker loads no more than it needs.
"""
