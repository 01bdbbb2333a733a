"""Starts Firefox for Playwright and answers the one WebDriver BiDi command that Playwright needs and Firefox 153 lacks.

Playwright sends `emulation.setMediaFeaturesOverride` for every browser context. Debian's Firefox does not know the
command, so Playwright could open no page. This program takes Firefox's place: it starts Firefox, passes all messages on
and answers that command itself. Colour schemes therefore can't be emulated in Firefox.

The arguments are the command line of Firefox.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from functools import partial

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve

MISSING_COMMAND = "emulation.setMediaFeaturesOverride"

ANNOUNCEMENT = re.compile(r"WebDriver BiDi listening on (ws://\S+)")
"""The line of Firefox's standard error in which Playwright looks for the address."""


async def main(command: list[str]) -> int:
    """Returns Firefox's exit code."""
    firefox = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    assert firefox.stderr is not None
    async for line in firefox.stderr:
        text = line.decode("utf-8", "replace")
        if (found := ANNOUNCEMENT.search(text)) is not None:
            bridge = await serve(partial(connect_to_firefox, address=found[1]), "127.0.0.1", 0, max_size=None)
            port = next(iter(bridge.sockets)).getsockname()[1]
            text = f"WebDriver BiDi listening on ws://127.0.0.1:{port}\n"
        sys.stderr.write(text)
        sys.stderr.flush()
    return await firefox.wait()


async def connect_to_firefox(playwright: ServerConnection, address: str) -> None:
    """Passes messages on in both directions until one side closes its connection."""
    async with connect(f"{address}/session", max_size=None) as firefox, asyncio.TaskGroup() as directions:
        directions.create_task(pass_commands(playwright, firefox))
        directions.create_task(pass_answers(firefox, playwright))


async def pass_commands(playwright: ServerConnection, firefox: ClientConnection) -> None:
    async for message in playwright:
        command = json.loads(message)
        if command["method"] == MISSING_COMMAND:
            await playwright.send(json.dumps({"type": "success", "id": command["id"], "result": {}}))
        else:
            await firefox.send(message)
    await firefox.close()


async def pass_answers(firefox: ClientConnection, playwright: ServerConnection) -> None:
    async for message in firefox:
        await playwright.send(message)
    await playwright.close()


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
