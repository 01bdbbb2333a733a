"""Servers that hang, die, flood the bot, or send what makes no sense. None of them may slow the bot down."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest
from langchain_core.tools import ToolException

from tests.simulators.mcp.running import connected, misbehaving
from tests.support.waiting import until
from voicebot.agent.mcp import process as process_module
from voicebot.agent.mcp import server as server_module
from voicebot.settings.mcp_servers import McpAddress, McpCommand, McpServerSettings


@pytest.fixture
def short_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "START_S", 0.5)
    monkeypatch.setattr(server_module, "PING_S", 0.2)
    monkeypatch.setattr(process_module, "EXIT_S", 0.2)


def processes_of(group: int) -> list[int]:
    """Returns the living processes of a group."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                state, _, of_group = (entry / "stat").read_text().rpartition(") ")[2].split()[:3]
            except OSError:
                continue
            if int(of_group) == group and state != "Z":
                found.append(int(entry.name))
    return found


@pytest.mark.parametrize(
    ("manner", "reason"),
    [
        ("dies-at-start", "it ended with status 4"),
        ("hangs", "it did not answer within 0.5 s"),
        ("hangs-at-initialize", "it did not answer within 0.5 s"),
        ("hangs-at-list", "it did not answer within 0.5 s"),
        ("wrong-list", "its answer is not valid (tools.0.inputSchema: "),
    ],
)
async def test_a_server_that_does_not_start_is_named_with_the_reason(
    manner: str, reason: str, short_limits: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "hangs" not in manner:
        monkeypatch.setattr(server_module, "START_S", 20)
    async with connected(misbehaving(manner), misbehaving(name="well")) as servers:
        odd, well = servers.health
        assert not odd.ready
        assert odd.tools is None
        assert str(odd.reason).startswith(reason)
        await until(lambda: servers.health[1].ready)
        assert well.name == "well"
        assert await servers.tools[0].ainvoke({}) == "Hello."


async def test_a_command_or_folder_that_does_not_exist_is_named() -> None:
    missing = McpServerSettings("missing", McpCommand("no-such-program"))
    nowhere = McpServerSettings("nowhere", McpCommand(sys.executable, cwd="/no/such/folder"))
    async with connected(missing, nowhere) as servers:
        reasons = [status.reason for status in servers.health]
    assert reasons == ["its command was not found", "its command cannot be started"]


async def test_a_server_is_tried_again_after_growing_pauses_and_logged_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(server_module, "FIRST_PAUSE_S", 0.05)
    failed_s: list[float] = []

    class Counter:
        def count_failure(self, *_: object) -> None:
            failed_s.append(time.monotonic())

    async with connected(McpServerSettings("missing", McpCommand("no-such-program"))) as servers:
        servers.count_failures(Counter())
        await until(lambda: len(failed_s) == 5)
    pauses = [later - earlier for earlier, later in pairwise(failed_s)]
    assert all(pause >= least for pause, least in zip(pauses, (0.05, 0.1, 0.2, 0.4), strict=True))
    assert [record.levelno for record in caplog.records if "not found" in record.getMessage()] == [logging.WARNING]


async def test_the_log_has_the_last_words_of_a_server_without_secrets(caplog: pytest.LogCaptureFixture) -> None:
    async with connected(misbehaving("dies-at-start", secrets=("hush-hush",))) as servers:
        assert servers.health[0].reason == "it ended with status 4"
        await asyncio.sleep(1.5)  # it is tried again meanwhile
    said = "mcp: odd is not ready: it ended with status 4 (no such key: ***)"
    assert [record.levelname for record in caplog.records if record.getMessage() == said] == ["WARNING"]


async def test_a_server_that_answers_no_ping_is_restarted(short_limits: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "START_S", 20)
    async with connected(misbehaving("answers-no-ping")) as servers:
        assert servers.health[0].ready
        await until(lambda: servers.health[0].reason == "it does not answer any more")
        await until(lambda: servers.health[0].ready)


async def test_a_server_is_not_asked_whether_it_is_there_while_it_works_on_a_call(
    short_limits: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "START_S", 20)
    async with connected(misbehaving("hangs-in-a-call")) as servers:
        call = asyncio.create_task(servers.tools[0].ainvoke({}))
        await asyncio.wait([call], timeout=1.5)
        assert servers.health[0].ready
        call.cancel()
        await until(lambda: servers.health[0].reason == "it does not answer any more")


@pytest.mark.parametrize("manner", ["dies-in-a-call", "giant-line", "brackets"])
async def test_a_call_ends_when_its_answer_cannot_come(manner: str) -> None:
    async with connected(misbehaving(manner)) as servers:
        with pytest.raises(ToolException, match=r"too long|closed the connection"):
            async with asyncio.timeout(40):
                await servers.tools[0].ainvoke({})


async def test_a_call_whose_answer_cannot_be_read_ends_and_the_log_says_so(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with connected(misbehaving("half-a-character")) as servers:
        with pytest.raises(ToolException, match=r"^The server odd reports an error: the answer is not valid JSON-RPC$"):
            async with asyncio.timeout(40):
                await servers.tools[0].ainvoke({})
    assert "mcp: odd: a call failed: the answer is not valid JSON-RPC" in caplog.text


async def test_calls_that_are_never_answered_do_not_use_up_the_server(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(server_module, "MAX_CALLS", 2)
    async with connected(misbehaving("answers-the-third-call")) as servers:
        given_up = [asyncio.create_task(servers.tools[0].ainvoke({})) for _ in range(2)]
        await until(lambda: [task.get_name() for task in asyncio.all_tasks()].count("MCP call of odd") == 2)
        with pytest.raises(ToolException, match="has too much to do at the moment"):
            await servers.tools[0].ainvoke({})
        for call in given_up:
            call.cancel()
        await asyncio.wait(given_up)
        async with asyncio.timeout(20):
            assert await servers.tools[0].ainvoke({}) == "Hello."
    assert caplog.text.count("a call is cancelled that it has not answered for long") == 1


async def test_lines_that_are_no_messages_are_passed_over() -> None:
    async with connected(misbehaving("prints")) as servers:
        assert await servers.tools[0].ainvoke({}) == "Hello."


async def test_tools_with_unusable_schemas_are_left_out(caplog: pytest.LogCaptureFixture) -> None:
    async with connected(misbehaving("wrong-schemas")) as servers:
        assert [tool.name for tool in servers.tools] == ["odd_greet"]
        assert servers.health[0].tools == 1
    left_out = [message for message in caplog.messages if "is left out" in message]
    assert len(left_out) == 4
    assert "'doubling' is left out: its schema has too many parts" in left_out[0]


async def busiest_s(duration_s: float) -> tuple[float, float]:
    """Returns the most processor time that the event loop spent without a pause, and the share of all time."""
    longest_s, began_s, began_at = 0.0, time.process_time(), time.monotonic()
    while time.monotonic() < began_at + duration_s:
        before_s = time.thread_time()
        await asyncio.sleep(0.002)
        longest_s = max(longest_s, time.thread_time() - before_s)
    return longest_s, (time.process_time() - began_s) / (time.monotonic() - began_at)


@pytest.mark.parametrize(
    "manner",
    [
        "floods-with-changes",
        "floods-with-nonsense",
        "floods-with-empty-lines",
        "floods-with-one-line",
        "floods-with-questions",
        "floods-stderr",
    ],
)
async def test_a_flood_leaves_the_event_loop_free(manner: str) -> None:
    asyncio.get_running_loop().set_debug(False)
    async with connected(misbehaving(manner)) as servers:
        longest_s, share = await busiest_s(1.5)
        assert longest_s < 0.05
        assert share < 0.5
        assert len(servers.tools) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("killed", [False, True])
async def test_no_process_of_a_server_is_left(
    short_limits: None, killed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "START_S", 20)
    async with connected(misbehaving("has-a-child", "ignores-sigterm", "stays")) as servers:
        name = servers.tools[0].name
        child, server = int(name.split("_")[2]), int(name.split("_")[4])
        assert set(processes_of(server)) == {child, server}
        if killed:
            os.kill(server, signal.SIGKILL)
            await until(lambda: not processes_of(server))
            await until(lambda: servers.health[0].ready)
        else:
            await servers.close()
            assert processes_of(server) == []
        last = int(servers.tools[0].name.split("_")[4])
    await until(lambda: processes_of(last) == [])


async def test_closing_takes_no_longer_than_killing() -> None:
    async with connected(
        misbehaving("ignores-sigterm", "stays"), misbehaving("hangs-in-a-call", name="two")
    ) as servers:
        call = asyncio.create_task(next(t for t in servers.tools if t.name.startswith("two")).ainvoke({}))
        await asyncio.sleep(0)
        began_s = time.monotonic()
        await servers.close()
        assert time.monotonic() - began_s < server_module.CLOSE_S + 1
        with pytest.raises(ToolException):
            await call


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (401, "it refuses the login (status 401)"),
        (404, "nothing there speaks streamable HTTP (status 404)"),
        (405, "nothing there speaks streamable HTTP (status 405)"),
        (503, "it answers with status 503"),
    ],
)
async def test_a_refusal_over_http_is_named_with_its_status(status: int, reason: str) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, connected(McpServerSettings("web", McpAddress(f"http://127.0.0.1:{port}/mcp"))) as servers:
        assert servers.health[0].reason == reason
