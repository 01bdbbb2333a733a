"""Servers that are built with MCP's official SDK, over standard input and output and over streamable HTTP."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
from langchain_core.tools import BaseTool, ToolException

from tests.simulators.mcp.running import PATHS, connected, events, http_server, http_server_at, sdk_command
from tests.support.closed_port import closed_port
from tests.support.waiting import until
from voicebot.agent.mcp import server as server_module
from voicebot.agent.mcp.servers import McpServers
from voicebot.engines.errors import EngineError, Fault
from voicebot.settings.mcp_servers import McpAddress, McpCommand, McpServerSettings, McpToolRule

Place = McpCommand | McpAddress


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "ledger"


@pytest.fixture(params=["stdio", "http"])
async def place(request: pytest.FixtureRequest, ledger: Path) -> AsyncIterator[Place]:
    if request.param == "stdio":
        yield sdk_command(ledger)
    else:
        async with http_server(ledger) as address:
            yield address


def has_happened(ledger: Path, event: str) -> bool:
    return event in events(ledger)


def tool(servers: McpServers, name: str) -> BaseTool:
    return next(each for each in servers.tools if each.name == name)


async def test_tools_are_called_with_the_arguments_of_the_model(place: Place, ledger: Path) -> None:
    async with connected(McpServerSettings("shop", place)) as servers:
        (status,) = servers.health
        assert (status.name, status.ready, status.reason, status.tools) == ("shop", True, None, 11)
        assert "mcp.client" in sys.modules, "a test of the start looks for it"
        given = {"item": "cakes", "config": "an argument with a name that LangChain uses itself"}
        assert await tool(servers, "shop_stock").ainvoke(given) == "There are 12 of cakes."
        assert await tool(servers, "shop_order").ainvoke({"item": "cakes", "count": 2}) == "Ordered 2 cakes."
    assert events(ledger)[1:] == ["stock cakes", "order 2 cakes"]


async def test_what_a_result_holds_beside_text_is_named(place: Place) -> None:
    async with connected(McpServerSettings("shop", place)) as servers:
        assert await tool(servers, "shop_picture").ainvoke({}) == "A cake:\n[An image is left out.]"
        assert "3" in await tool(servers, "shop_prices").ainvoke({})
        with pytest.raises(ToolException, match="the shop is closed"):
            await tool(servers, "shop_refuse").ainvoke({})


@pytest.mark.parametrize(("name", "given"), [("shop_report", {"chars": 3_000_000}), ("shop_table", {"rows": 20_000})])
async def test_an_answer_that_is_too_long_fails_its_call_and_no_other(
    place: Place, name: str, given: dict[str, int]
) -> None:
    async with connected(McpServerSettings("shop", place)) as servers:
        other = asyncio.create_task(tool(servers, "shop_bake").ainvoke({"seconds": 0.3}))
        with pytest.raises(ToolException, match="shop reports an error"):
            await tool(servers, name).ainvoke(given)
        assert await other == "Done."
        assert servers.health[0].ready


async def test_what_a_server_says_shows_no_secret(place: Place) -> None:
    async with connected(McpServerSettings("shop", place, secrets=("closed", "cakes"))) as servers:
        with pytest.raises(ToolException, match=re.escape("the shop is ***")):
            await tool(servers, "shop_refuse").ainvoke({})
        assert await tool(servers, "shop_stock").ainvoke({"item": "cakes"}) == "There are 12 of ***."


async def test_only_a_pure_call_is_cancelled_at_the_server(
    place: Place, ledger: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with connected(McpServerSettings("shop", place, trust_read_only_hint=True)) as servers:
        for name, seconds in (("search", 60), ("bake", 0.5)):
            call = asyncio.create_task(tool(servers, f"shop_{name}").ainvoke({"seconds": seconds}))
            await until(partial(has_happened, ledger, f"{name} began"))
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
        await until(lambda: "search was cancelled" in events(ledger))
        await until(lambda: "bake ended" in events(ledger))
        await until(lambda: "shop: the tool 'bake' has ended after nobody waited for it" in caplog.text)


async def test_the_list_of_tools_is_read_again_when_it_has_changed(place: Place) -> None:
    async with connected(McpServerSettings("shop", place)) as servers:
        before = servers.tools
        assert servers.tools is before
        await tool(servers, "shop_grow").ainvoke({})
        await until(lambda: servers.tools is not before)
        assert await tool(servers, "shop_fresh").ainvoke({}) == "new"
        assert servers.health[0].tools == 12


async def test_a_server_that_dies_in_a_call_is_restarted(ledger: Path) -> None:
    failures: list[EngineError] = []

    class Counter:
        def count_failure(self, stage: str, engine: str, error: EngineError) -> None:
            assert (stage, engine) == ("mcp", "shop")
            failures.append(error)

    async with connected(McpServerSettings("shop", sdk_command(ledger))) as servers:
        servers.count_failures(Counter())
        tools = servers.tools
        with pytest.raises(ToolException, match="Whether the call had an effect is not known"):
            await tool(servers, "shop_die").ainvoke({})
        await until(lambda: servers.health[0].reason == "it ended with status 3")
        with pytest.raises(ToolException, match="shop does not work at the moment: it ended with status 3"):
            await tool(servers, "shop_stock").ainvoke({"item": "cakes"})
        await until(lambda: servers.health[0].ready)
        assert servers.health[0].reason is None
        assert servers.tools is tools, "the same tools are the same objects"
        assert await tool(servers, "shop_stock").ainvoke({"item": "cakes"}) == "There are 12 of cakes."
    assert [failure.fault for failure in failures] == [Fault.UNREACHABLE]


async def test_a_connection_over_http_is_made_again_when_the_server_is_back(
    ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "PING_S", 0.3)
    port = closed_port()
    address = McpAddress(f"http://127.0.0.1:{port}/mcp")
    async with connected(McpServerSettings("shop", address)) as servers:
        assert servers.health[0].reason == "it cannot be reached"
        async with http_server_at(port, ledger):
            await until(lambda: servers.health[0].ready, 30)
        await until(lambda: not servers.health[0].ready)
        async with http_server_at(port, ledger):
            await until(lambda: servers.health[0].ready, 30)
            assert await tool(servers, "shop_stock").ainvoke({"item": "cakes"}) == "There are 12 of cakes."


async def test_a_server_gets_the_variables_of_its_settings_and_no_others(
    ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GROQ_API_KEY", "gsk_hush_hush")
    async with connected(McpServerSettings("shop", sdk_command(ledger, SHOP_TOKEN="open"))):
        names = set(events(ledger)[0].split(" with ")[1].split())
    assert "SHOP_TOKEN" in names
    allowed = {"HOME", "LOGNAME", "PATH", "SHELL", "TERM", "USER", "LC_CTYPE"}
    assert names - allowed == {"SHOP_TOKEN", *PATHS}


async def test_a_killed_server_is_restarted_and_none_is_left_at_the_end(ledger: Path) -> None:
    def started() -> list[int]:
        return [int(line.split()[1]) for line in events(ledger) if line.startswith("started")]

    async with connected(McpServerSettings("shop", sdk_command(ledger))) as servers:
        os.kill(started()[0], signal.SIGKILL)
        await until(lambda: servers.health[0].reason == "it was killed by SIGKILL")
        await until(lambda: servers.health[0].ready, 30)
    for pid in started():
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


async def test_the_operator_decides_what_a_tool_may_do(place: Place) -> None:
    rules: dict[str, McpToolRule | bool] = {
        "order": McpToolRule.model_validate(
            {"tag": "confirm", "question": "Shall I order {count} {item}?", "limitSeconds": 5}
        ),
        "bake": McpToolRule(tag="pure"),
        "stock": True,
        "search": McpToolRule(tag="effects"),
        "*": False,
    }
    settings = McpServerSettings("shop", place, rules, trust_read_only_hint=True, limit_s=9)
    async with connected(settings) as servers:
        tags = {each.name: each.tags for each in servers.tools}
        assert tags == {
            "shop_stock": ["pure"],
            "shop_order": ["confirm"],
            "shop_search": ["effects"],
            "shop_bake": ["pure"],
        }
        question = "Shall I order {count} {item}?"
        assert tool(servers, "shop_order").metadata == {"server": "shop", "limit_s": 5, "question": question}
        assert tool(servers, "shop_stock").metadata == {"server": "shop", "limit_s": 9}
    async with connected(McpServerSettings("shop", place)) as servers:
        assert tool(servers, "shop_stock").tags == ["effects"], "the server's own word is not enough"


async def test_tools_of_two_servers_have_different_names(ledger: Path, tmp_path: Path) -> None:
    one = McpServerSettings("the shop", sdk_command(ledger))
    other = McpServerSettings("the/shop", sdk_command(tmp_path / "other"))
    async with connected(one, other) as servers:
        names = [each.name for each in servers.tools]
        assert len(set(names)) == 22
        for each in servers.tools:
            if each.name.startswith("the_shop_order"):
                await each.ainvoke({"item": "cakes"})
    assert events(ledger)[1:] == ["order 1 cakes"]
    assert events(tmp_path / "other")[1:] == ["order 1 cakes"]


async def test_a_server_of_the_newest_protocol_alone_is_used_and_its_changes_are_followed(
    ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "FIRST_PAUSE_S", 0.1)
    monkeypatch.setattr(server_module, "PING_S", 0.3)
    async with http_server(ledger, "modern") as address, connected(McpServerSettings("shop", address)) as servers:
        await until(lambda: servers.health[0].ready)
        before = servers.tools
        await tool(servers, "shop_grow").ainvoke({})
        await until(lambda: servers.tools is not before, 20)
        assert servers.health[0].tools == 12
        await asyncio.sleep(1)  # three pings
        assert servers.health[0].ready
