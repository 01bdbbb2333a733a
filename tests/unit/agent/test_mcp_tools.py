"""The tools of MCP servers as LangChain tools: names, schemas and results."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest
from langchain_core.tools import ToolException
from mcp_types import (
    AudioContent,
    BlobResourceContents,
    CallToolResult,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
    TextResourceContents,
    Tool,
)

from voicebot.agent.mcp import tools as tools_module
from voicebot.agent.mcp.tools import text_of, tools_of
from voicebot.settings.mcp_servers import McpCommand, McpServerSettings, McpToolRule

NOTHING: dict[str, Any] = {"type": "object", "properties": {}}


class Caller:
    """Notes the calls."""

    def __init__(self, text: str = "done", *, is_error: bool = False) -> None:
        content = [TextContent(type="text", text=text)] if text else []
        self.result = CallToolResult(content=list[ContentBlock](content), is_error=is_error)
        self.calls: list[tuple[str, dict[str, Any], bool]] = []

    async def call(self, tool: str, arguments: Mapping[str, Any], *, is_pure: bool) -> CallToolResult:
        self.calls.append((tool, dict(arguments), is_pure))
        return self.result

    def hide(self, text: str) -> str:
        return text.replace("hunter2", "***")


def names(server: str, *tools: str, taken: set[str] | None = None) -> list[str]:
    settings = McpServerSettings(server, McpCommand("a"))
    listed = [Tool(name=name, input_schema=NOTHING) for name in tools]
    made, problems = tools_of(settings, listed, Caller(), set() if taken is None else taken)
    assert problems == []
    return [tool.name for tool in made]


def test_a_name_says_whose_tool_it_is() -> None:
    assert names("notes", "find", "notes_add") == ["notes_find", "notes_add"]


@pytest.mark.parametrize(("server", "tool"), [("my notes", "find/all"), ("a" * 64, "b" * 64), ("é", "日本語")])
def test_every_name_is_one_that_model_services_accept(server: str, tool: str) -> None:
    (name,) = names(server, tool)
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name)
    assert names(server, tool) == [name], "it is the same after a restart"


def test_tools_with_equal_names_get_different_ones_and_reach_their_own() -> None:
    first = names("a", "b.c", "b c", "b_c")
    assert len(set(first)) == 3
    assert first[0] == "a_b_c"
    taken: set[str] = set()
    both = names("a", "b_c", taken=taken) + names("a_b", "c", taken=taken)
    assert len(set(both)) == 2


async def test_a_tool_is_called_by_the_name_that_it_has_at_its_server() -> None:
    caller = Caller()
    settings = McpServerSettings("notes", McpCommand("a"))
    listed = [Tool(name="find.all", input_schema={"type": "object", "properties": {"self": {}, "config": {}}})]
    (tool,), _ = tools_of(settings, listed, caller, set())
    assert await tool.ainvoke({"self": "1", "config": 2}) == "done"
    assert caller.calls == [("find.all", {"self": "1", "config": 2}, False)]


def test_no_more_tools_than_a_request_bears_are_used() -> None:
    listed = [Tool(name=f"t{number}", input_schema=NOTHING) for number in range(70)]
    tools, problems = tools_of(McpServerSettings("notes", McpCommand("a")), listed, Caller(), set())
    assert len(tools) == tools_module.MAX_TOOLS
    assert problems == ["it has more than 64 tools; the others are not used"]


def test_rules_for_tools_that_are_not_there_are_problems() -> None:
    rules: dict[str, McpToolRule | bool] = {"*": False, "delte": McpToolRule(tag="pure"), "zip": False, "find": True}
    listed = [Tool(name=name, input_schema=NOTHING) for name in ("find", "delete")]
    tools, problems = tools_of(McpServerSettings("notes", McpCommand("a"), rules), listed, Caller(), set())
    assert [tool.name for tool in tools] == ["notes_find"]
    assert problems == [
        "it has no tool 'delte', which MCP_CONFIG names; did you mean 'delete'?",
        "it has no tool 'zip', which MCP_CONFIG names; it has 'find', 'delete'",
    ]
    assert tools_of(McpServerSettings("notes", McpCommand("a"), rules), (), Caller(), set()) == ([], []), "not yet"


def test_a_tool_whose_question_names_no_argument_is_left_out() -> None:
    rules = {"find": McpToolRule(tag="confirm", question="Shall I look for {txt}?")}
    listed = [Tool(name="find", input_schema={"type": "object", "properties": {"text": {}}})]
    tools, problems = tools_of(McpServerSettings("notes", McpCommand("a"), rules), listed, Caller(), set())
    said = "the tool 'find' is left out: its question names {txt}, which is no argument; the arguments are text"
    assert (tools, problems) == ([], [said])


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "array"},
        {"type": "object", "properties": []},
        {"type": "object", "properties": {"a": True}},
        {"type": "object", "properties": {"a": {"$ref": "#/$defs/none"}}},
        {"type": "object", "properties": {"a": {"$ref": "https://elsewhere.example/schema"}}},
        {"type": "object", "properties": {"a": {"enum": list(range(5_000))}}},
    ],
)
def test_a_tool_whose_schema_cannot_be_used_is_left_out(schema: dict[str, Any]) -> None:
    settings = McpServerSettings("notes", McpCommand("a"))
    listed = [Tool(name="odd", input_schema=schema), Tool(name="well", input_schema=NOTHING)]
    tools, (problem,) = tools_of(settings, listed, Caller(), set())
    assert [tool.name for tool in tools] == ["notes_well"]
    assert problem.startswith("the tool 'odd' is left out: ")


def test_a_schema_that_refers_to_itself_can_be_used() -> None:
    tree = {"type": "object", "properties": {"child": {"$ref": "#/$defs/tree"}}}
    schema = {"type": "object", "properties": {"root": {"$ref": "#/$defs/tree"}}, "$defs": {"tree": tree}}
    settings = McpServerSettings("notes", McpCommand("a"))
    tools, problems = tools_of(settings, [Tool(name="plant", input_schema=schema)], Caller(), set())
    assert (len(tools), problems) == (1, [])


def test_a_description_is_no_longer_than_model_services_accept() -> None:
    settings = McpServerSettings("notes", McpCommand("a"))
    listed = [Tool(name="find", description="x" * 5_000, input_schema=NOTHING)]
    (tool,), _ = tools_of(settings, listed, Caller(), set())
    assert len(tool.description) == 1_024


@pytest.mark.parametrize(
    ("content", "structured", "text"),
    [
        ([TextContent(type="text", text="one"), TextContent(type="text", text="two")], None, "one\ntwo"),
        ([TextContent(type="text", text='{"n": 1}')], {"n": 1}, '{"n": 1}'),
        ([], {"name": "é"}, '{"name": "é"}'),
        ([ImageContent(type="image", data="aa", mime_type="image/png")], None, "[An image is left out.]"),
        ([AudioContent(type="audio", data="aa", mime_type="audio/wav")], None, "[A sound is left out.]"),
        ([ResourceLink(type="resource_link", name="menu", uri="file:///menu")], None, "[menu: file:///menu]"),
        (
            [EmbeddedResource(type="resource", resource=TextResourceContents(uri="a://b", text="words"))],
            None,
            "words",
        ),
        (
            [EmbeddedResource(type="resource", resource=BlobResourceContents(uri="a://b", blob="aa"))],
            None,
            "[A file is left out.]",
        ),
        ([], None, ""),
    ],
)
def test_the_model_gets_a_result_as_text(content: list[ContentBlock], structured: Any, text: str) -> None:
    assert text_of(CallToolResult(content=content, structured_content=structured)) == text


async def answer(caller: Caller) -> str:
    settings = McpServerSettings("notes", McpCommand("a"))
    (tool,), _ = tools_of(settings, [Tool(name="find", input_schema=NOTHING)], caller, set())
    return str(await tool.ainvoke({}))


@pytest.mark.parametrize(
    ("text", "told"), [("no such note", "no such note"), ("", "The tool failed and did not say why.")]
)
async def test_an_error_is_one_for_the_model_too(text: str, told: str) -> None:
    with pytest.raises(ToolException, match=f"^{re.escape(told)}$"):
        await answer(Caller(text, is_error=True))


async def test_neither_a_result_nor_an_error_shows_a_secret() -> None:
    assert await answer(Caller("found with hunter2")) == "found with ***"
    with pytest.raises(ToolException, match=re.escape("401 for https://api/?key=***")):
        await answer(Caller("401 for https://api/?key=hunter2", is_error=True))
