"""An MCP server that is built with the official SDK: `python -m tests.simulators.mcp.sdk_server LEDGER [PORT …]`.

It talks over its standard input and output, or with a port over streamable HTTP at /mcp. What its tools do stands in
the file LEDGER afterwards, one line for each event.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import uvicorn
from mcp.server.mcpserver import Context, Image, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

READ_ONLY = ToolAnnotations(read_only_hint=True)


def server(ledger: Path) -> MCPServer[Any]:
    """Creates the server."""
    served: MCPServer[Any] = MCPServer("shop", log_level="CRITICAL")

    def note(line: str) -> None:
        with ledger.open("a") as file:
            file.write(f"{line}\n")

    note(f"started {os.getpid()} with {' '.join(sorted(os.environ))}")

    @served.tool(annotations=READ_ONLY)
    async def stock(item: str, config: str = "") -> str:
        """Tell how many of an item there are."""
        note(f"stock {item}")
        return f"There are 12 of {item}."

    @served.tool()
    async def order(item: str, count: int = 1) -> str:
        """Order items."""
        note(f"order {count} {item}")
        return f"Ordered {count} {item}."

    @served.tool(annotations=READ_ONLY)
    async def search(seconds: float) -> str:
        """Search for a long time, and tell of the progress meanwhile."""
        return await work("search", seconds)

    @served.tool()
    async def bake(seconds: float, context: Context[Any, Any]) -> str:
        """Work for a long time."""
        await context.report_progress(0.5)
        return await work("bake", seconds)

    async def work(name: str, seconds: float) -> str:
        note(f"{name} began")
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            note(f"{name} was cancelled")
            raise
        note(f"{name} ended")
        return "Done."

    @served.tool()
    async def refuse() -> str:
        """Fail."""
        raise ToolError("the shop is closed")

    @served.tool(structured_output=False)
    async def picture() -> list[Any]:
        """Show a picture."""
        return ["A cake:", Image(data=b"x" * 1_000, format="png")]

    @served.tool()
    async def prices() -> dict[str, int]:
        """List the prices."""
        return {"cake": 3}

    @served.tool()
    async def report(chars: int) -> str:
        """Write a long report."""
        return "a" * chars

    @served.tool()
    async def table(rows: int) -> str:
        """Write a table."""
        return "1,2," * rows

    @served.tool()
    async def die() -> str:
        """End the server."""
        note("die")
        os._exit(3)

    @served.tool()
    async def grow(context: Context[Any, Any]) -> str:
        """Get a further tool."""

        async def fresh() -> str:
            return "new"

        served.add_tool(fresh, name="fresh", description="A new tool.")
        await context.notify_tools_changed()
        await context.session.send_tool_list_changed()
        return "There is a new tool."

    return served


class WithoutInitialize:
    """Refuses `initialize`, as a server does that speaks only the protocol of 2026-07-28."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        body = await request.body()
        message = json.loads(body)
        if message.get("method") == "initialize":
            error = {"code": -32022, "message": "Unsupported", "data": {"supported": ["2026-07-28"], "requested": ""}}
            refusal = JSONResponse({"jsonrpc": "2.0", "id": message["id"], "error": error}, 400)
            await refusal(scope, receive, send)
            return
        await self._app(scope, _replayed(body, receive), send)


def _replayed(body: bytes, receive: Receive) -> Receive:
    rest = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def replay() -> Any:
        first = next(rest, None)
        return await receive() if first is None else first

    return replay


def main() -> None:
    served = server(Path(sys.argv[1]))
    if len(sys.argv) == 2:
        served.run("stdio")
        return
    app: ASGIApp = served.streamable_http_app()
    uvicorn.run(WithoutInitialize(app) if "modern" in sys.argv else app, port=int(sys.argv[2]), log_level="critical")


if __name__ == "__main__":
    main()
