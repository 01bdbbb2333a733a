"""Worker processes for C libraries that have global state, or whose crash must not end the server.

A worker runs `python -m <module>`, which calls `child.serve`. It exchanges `messages` with the server over its stdin
and stdout. `pool` is the server's side. A worker ends when its stdin ends and, on Linux, whenever the server dies.

`ProcessPoolExecutor` and `anyio.to_process` are no replacement. Their processes inherit the server's environment with
all keys in it, and they cannot stream results. The first cannot replace a process that hangs or has crashed.

This module imports nothing, so that a worker loads no more than it needs.
"""
