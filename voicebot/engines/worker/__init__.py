"""Worker processes: for C libraries that hold the GIL or have one global state, and for what strangers send.

A worker is `python -m <module>`, which calls `child.serve`; it talks `frames` over its stdin and stdout. `pool` is the
server's side. A worker ends when its stdin ends or, on Linux, when the server dies in any way. This module imports
nothing, so that a worker loads no more than it needs.
"""
