"""One MCP server: its connection is watched, and made again when it breaks."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from functools import partial
from typing import Any, NoReturn, Protocol

import mcp_types as types
from langchain_core.tools import BaseTool, ToolException
from mcp import Client, MCPError
from mcp.client.session import IncomingMessage
from mcp.client.subscriptions import SubscriptionLost
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import TypeAdapter

import voicebot
from voicebot.agent.mcp.failures import McpServerError, leaves, server_error
from voicebot.agent.mcp.http import LastStatus, http_streams
from voicebot.agent.mcp.process import ServerProcess, process_streams
from voicebot.agent.mcp.traffic import TrafficLimit
from voicebot.engines.errors import EngineError, Fault
from voicebot.engines.protocols import EngineStatus
from voicebot.settings.mcp_servers import McpCommand, McpServerSettings

logger = logging.getLogger(__name__)

START_S = 60.0
"""How long a server may take until its tools are known: `npx` and `uvx` download a server first."""

PING_S = 20.0
"""How often a server without a running call is asked whether it is there, and how long it may take to answer."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
"""The pause before the first restart, which doubles with each failure up to the longest one."""

STEADY_S = 60.0
"""A server that has worked for so long gets the first pause again."""

CLOSE_S = 5.0
"""How long a connection may take to end: longer than a process takes to be killed."""

LISTEN_AGAIN_S = 10.0
"""The pause before a subscription that has ended is made again."""

RELIST_S = 2.0
"""The least time from one reading of the list of tools to the next, however often the server says that it changed."""

MAX_CALLS = 32
"""How many calls may be under way at one server. Before more are refused, those whose callers have given up
waiting are cancelled, as the server may never answer them."""

MAX_PAGES = 20
"""How many pages of tools are read."""


class McpObserver(Protocol):
    """Hears what happens with a server."""

    def tools_changed(self) -> None:
        """The server lists other tools than before."""
        ...

    def server_failed(self, error: EngineError) -> None:
        """The server cannot be reached, or has stopped working."""
        ...


CLOSED = "Connection closed"
"""What the SDK says of a call whose connection ended. It uses the same code for an answer that could not be read."""

_RESULT: TypeAdapter[types.CallToolResult | types.InputRequiredResult] = TypeAdapter(
    types.CallToolResult | types.InputRequiredResult
)


class McpServer:
    """Keeps the connection with a server, and calls its tools.

    The tools of a server that does not work at the moment stay listed: a call then says so to the model, which tells
    the user more than a tool that has vanished.
    """

    def __init__(self, settings: McpServerSettings, observer: McpObserver) -> None:
        self.settings = settings
        self._observer = observer
        self.listed: tuple[types.Tool, ...] = ()
        """The tools that the server listed last."""
        self.tools: tuple[BaseTool, ...] = ()
        """Those of them that the agent may use, as the observer has made them."""
        self.problems: tuple[str, ...] = ()
        """What the operator should mend in the rules for the tools, as the observer has found."""
        self._client: Client | None = None
        self._problem = "it is starting"
        self._detail = ""
        """More about the problem for the operator, such as the last line that the server wrote."""
        self._fault: Fault | None = None
        self._logged = ""
        """The last problem in the log, which is not logged again until the server has worked."""
        self._settled = asyncio.Event()
        self._changed = asyncio.Event()
        self._calls: set[asyncio.Task[Any]] = set()
        self._awaited = 0
        """How many calls somebody waits for."""
        self._given_up: list[asyncio.Task[Any]] = []
        """The calls that go on though nobody waits for them any more, the oldest first."""
        self._refuses_initialize = False
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def status(self) -> EngineStatus:
        """Whether the server works, how many tools it offers, and its last error."""
        code = None if self._fault is None else self._fault.error_code
        is_ready = self._client is not None
        return EngineStatus(
            self.settings.name, is_ready, self._problem or None, code, tools=len(self.tools) if is_ready else None
        )

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the operator should know beside the status: more about the last error, or what is wrong with tools."""
        if self._client is not None:
            return self.problems
        return (self._detail,) if self._detail else ()

    def start(self) -> None:
        """Begins to connect, in the background."""
        self._task = asyncio.create_task(self._run(), name=f"MCP server {self.settings.name}")

    async def settle(self) -> None:
        """Waits until the server works, or has failed for the first time."""
        await self._settled.wait()

    async def close(self) -> None:
        """Ends the connection and the server's processes."""
        self._closing.set()
        while self._task is not None and not self._task.done():
            # The SDK's task groups lose a cancellation that comes while they end by themselves.
            self._task.cancel()
            await asyncio.wait([self._task], timeout=CLOSE_S)
        for call in self._calls:
            call.cancel()
        if self._calls:
            await asyncio.wait(self._calls)

    # Calls ------------------------------------------------------------------------------------------------------------

    async def call(self, tool: str, arguments: Mapping[str, Any], *, is_pure: bool) -> types.CallToolResult:
        """Calls a tool and returns its result. Raises ToolException, with a text for the model.

        If this is cancelled, a pure call is cancelled at the server too. Any other one goes on there, as long as the
        server does not have too much to do.
        """
        client, name = self._client, self.settings.name
        if client is None:
            raise ToolException(f"The server {name} does not work at the moment: {self._problem}.")
        if self._awaited >= MAX_CALLS:
            raise ToolException(f"The server {name} has too much to do at the moment.")
        if self._given_up and len(self._calls) >= MAX_CALLS:
            logger.info("mcp: %s: a call is cancelled that it has not answered for long", name)
            self._given_up.pop(0).cancel()
        # Unlike `call_tool`, this does not check the result against the server's own schema, which could block the
        # event loop: a regular expression in it may take for ever.
        params = types.CallToolRequestParams(name=tool, arguments=dict(arguments))
        sending = client.session.send_request(types.CallToolRequest(params=params), _RESULT)
        # The SDK tells the server of a cancellation and waits for that, which must not hold up an interrupted reply.
        call = asyncio.create_task(sending, name=f"MCP call of {name}")
        self._calls.add(call)
        call.add_done_callback(self._forget)
        self._awaited += 1
        try:
            await asyncio.wait([call])
        except asyncio.CancelledError:
            if is_pure:
                call.cancel()
            elif not call.done():
                self._given_up.append(call)
                call.add_done_callback(partial(self._note_late_end, tool))
            raise
        finally:
            self._awaited -= 1
        return self._result(call)

    def _forget(self, call: asyncio.Task[Any]) -> None:
        self._calls.discard(call)
        if call in self._given_up:
            self._given_up.remove(call)
        if not call.cancelled() and (error := call.exception()) is not None:
            logger.info("mcp: %s: a call failed: %s", self.settings.name, self.hide(str(error))[:500])

    def _note_late_end(self, tool: str, call: asyncio.Task[Any]) -> None:
        if not call.cancelled() and call.exception() is None:
            logger.info("mcp: %s: the tool %.64r has ended after nobody waited for it", self.settings.name, tool)

    def _result(self, call: asyncio.Task[types.CallToolResult | types.InputRequiredResult]) -> types.CallToolResult:
        name = self.settings.name
        if call.cancelled():
            raise ToolException(f"The server {name} is being closed.")
        error = call.exception()
        match error:
            case None:
                result = call.result()
                if isinstance(result, types.InputRequiredResult):
                    raise ToolException(f"The server {name} asks for something that the bot cannot give.")
                return result
            case MCPError() if error.message != CLOSED:
                raise ToolException(f"The server {name} reports an error: {self.hide(error.message)[:500]}")
            case _:
                problem = server_error(error).message
                raise ToolException(
                    f"The server {name} gave no result ({problem}). Whether the call had an effect is not known."
                )

    def hide(self, text: str) -> str:
        """Returns the text without the values of variables that the configuration refers to."""
        for secret in self.settings.secrets:
            for form in (secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]):
                text = text.replace(form, "***")
        return text

    # Supervision ------------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        pause_s = FIRST_PAUSE_S
        while not self._closing.is_set():
            began_s = loop.time()
            try:
                await self._serve()
            except McpServerError as error:
                self._note(error)
            if self._closing.is_set():
                break
            if loop.time() - began_s > STEADY_S:
                pause_s = FIRST_PAUSE_S
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def _note(self, error: McpServerError) -> None:
        """Notes that the server does not work, and logs it once for each reason."""
        name, detail = self.settings.name, self.hide(error.detail)
        level = logging.DEBUG if error.message == self._logged else logging.WARNING
        logger.log(level, "mcp: %s is not ready: %s%s", name, error.message, f" ({detail})" if detail else "")
        self._problem, self._fault, self._logged = error.message, error.fault, error.message
        self._detail = detail
        self._settled.set()
        self._observer.server_failed(EngineError(name, error.message, fault=error.fault))

    async def _serve(self) -> None:
        """Connects, and stays connected until something goes wrong. Raises McpServerError."""
        last = LastStatus()
        process: ServerProcess | None = None
        try:
            streams: AbstractAsyncContextManager[Any]
            if isinstance(self.settings.place, McpCommand):
                process = await ServerProcess.start(self.settings.name, self.settings.place, self.hide)
                streams = process_streams(process, TrafficLimit())
            else:
                streams = http_streams(self.settings.place, TrafficLimit(), last)
            await self._talk(streams, process)
        except Exception as error:  # boundary: errors of the SDK come alone or in groups, from any of its tasks
            if process is not None and process.ended_by_itself:
                raise await process.ended() from error
            raise server_error(error, last.code) from error
        finally:
            self._client = None

    async def _talk(self, streams: AbstractAsyncContextManager[Any], process: ServerProcess | None) -> None:
        """Shakes hands, reads the tools, and watches the connection until something raises an error."""
        loop = asyncio.get_running_loop()
        client = Client(
            streams,
            # Some servers end at a first message that is not `initialize`. Only one that refuses it gets another.
            mode="auto" if self._refuses_initialize else "legacy",
            cache=None,
            message_handler=self._hear,
            client_info=types.Implementation(name="voicebot", version=voicebot.__version__),
        )
        async with asyncio.timeout(None) as closing, AsyncExitStack() as stack:
            try:
                try:
                    async with asyncio.timeout(START_S):
                        await self._shake_hands(client, stack)
                        listed = await self._list(client)
                except TimeoutError:
                    raise McpServerError(f"it did not answer within {START_S:g} s", Fault.TIMEOUT) from None
                self._client, self._problem, self._fault, self._logged = client, "", None, ""
                self._note_tools(listed)
                logger.info("mcp: %s is ready, with %d tools", self.settings.name, len(self.tools))
                self._settled.set()
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._follow_changes(client))
                    group.create_task(self._ping(client))
                    if process is not None:
                        group.create_task(_raise_end(process))
                    if client.protocol_version in MODERN_PROTOCOL_VERSIONS and _tells_of_changes(client):
                        group.create_task(self._listen(client))
            finally:
                self._client, self._problem = None, "the connection ended"
                closing.reschedule(loop.time() + CLOSE_S)

    async def _shake_hands(self, client: Client, stack: AsyncExitStack) -> None:
        try:
            await stack.enter_async_context(client)
        except Exception as error:  # raised again: whatever it is, it may hold the server's refusal of this handshake
            answers = [each for each in leaves(error) if isinstance(each, MCPError)]
            if any(answer.code != types.CONNECTION_CLOSED for answer in answers):
                self._refuses_initialize = not self._refuses_initialize
            raise

    async def _list(self, client: Client) -> tuple[types.Tool, ...]:
        """Returns all tools. Raises what the SDK raises if the list is not valid."""
        if client.server_capabilities.tools is None:
            return ()
        tools: list[types.Tool] = []
        cursor: str | None = None
        for _ in range(MAX_PAGES):
            page = await client.session.list_tools(params=types.PaginatedRequestParams(cursor=cursor))
            tools += page.tools
            cursor = page.next_cursor
            if not cursor:
                break
        return tuple(tools)

    def _note_tools(self, listed: tuple[types.Tool, ...]) -> None:
        if listed != self.listed:
            self.listed = listed
            self._observer.tools_changed()

    async def _hear(self, message: IncomingMessage) -> None:
        """Takes the server's notifications, and errors in place of what was no message."""
        if isinstance(message, types.ToolListChangedNotification):
            self._changed.set()
        elif isinstance(message, Exception):
            logger.debug("mcp: %s sent something that is no message", self.settings.name)

    async def _follow_changes(self, client: Client) -> None:
        """Reads the tools again whenever the server says that they have changed."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                async with asyncio.timeout(PING_S):
                    self._note_tools(await self._list(client))
            except TimeoutError:
                raise McpServerError("it did not list its tools in time", Fault.TIMEOUT) from None
            await asyncio.sleep(RELIST_S)

    async def _listen(self, client: Client) -> None:
        """Subscribes to changes of the tools. Since the protocol of 2026-07-28, servers do not tell of them unasked."""
        while True:
            try:
                async with client.listen(tools_list_changed=True) as changes:
                    async for _ in changes:
                        self._changed.set()
            except (MCPError, SubscriptionLost) as error:
                logger.debug("mcp: %s: the subscription ended: %s", self.settings.name, type(error).__name__)
            await asyncio.sleep(LISTEN_AGAIN_S)
            self._changed.set()  # what happened in between was not heard

    async def _ping(self, client: Client) -> None:
        """Asks a quiet server now and then whether it is there. Raises an error if it is not."""
        while True:
            await asyncio.sleep(PING_S)
            if self._awaited:
                continue  # many servers answer nothing while they work on a call, which has a time limit of its own
            try:
                async with asyncio.timeout(PING_S):
                    if client.protocol_version in MODERN_PROTOCOL_VERSIONS:  # there `ping` does not exist
                        await client.session.send_discover(client.protocol_version)
                    else:
                        await client.session.send_ping()
            except TimeoutError:
                if not self._awaited:
                    raise McpServerError("it does not answer any more", Fault.TIMEOUT) from None
            except MCPError as error:
                if error.code != types.METHOD_NOT_FOUND:
                    raise


def _tells_of_changes(client: Client) -> bool:
    tools = client.server_capabilities.tools
    return tools is not None and bool(tools.list_changed)


async def _raise_end(process: ServerProcess) -> NoReturn:
    raise await process.ended()
