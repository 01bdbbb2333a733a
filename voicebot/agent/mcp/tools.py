"""The tools of an MCP server as LangChain tools: their names, their policy, and what of a result the model gets."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any, NoReturn, Protocol

from langchain_core.tools import BaseTool, ToolException
from langchain_core.utils.function_calling import convert_to_openai_tool
from mcp_types import (
    AudioContent,
    CallToolResult,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
    TextResourceContents,
    Tool,
)
from pydantic import PrivateAttr

from voicebot.agent.tools.policy import LIMIT_S, QUESTION, ToolPolicy
from voicebot.dialogue.tool_calls import ToolTag
from voicebot.settings.mcp_servers import EVERY_OTHER, McpServerSettings

MAX_TOOLS = 64
"""How many tools of one server are used. All schemas are part of each request to the model."""

MAX_NAME_CHARS = 64
"""The longest name that OpenAI accepts; it may have ASCII letters, digits, - and _."""

MAX_DESCRIPTION_CHARS = 1_024
"""The longest description of a function that OpenAI accepts."""

MAX_SCHEMA_CHARS = 8_000
"""A tool whose schema is longer in JSON is not used: 2,000 tokens are a third of the history."""

MAX_SCHEMA_NODES = 2_000
"""A tool whose schema has more parts once its references are replaced is not used. LangChain replaces them, and a few
that refer to each other twice would fill the memory."""


MAX_NAMES = 10
"""How many of a server's tools are named if a name is wrong."""


class ToolCaller(Protocol):
    """Calls a server's tools."""

    async def call(self, tool: str, arguments: Mapping[str, Any], *, is_pure: bool) -> CallToolResult:
        """Calls a tool. Raises ToolException, with a text for the model."""
        ...

    def hide(self, text: str) -> str:
        """Returns the text without secrets."""
        ...


class McpTool(BaseTool):
    """A tool of an MCP server. Its arguments reach the server as the model wrote them: the server checks them."""

    _caller: ToolCaller = PrivateAttr()
    _name_there: str = PrivateAttr()

    def connect(self, caller: ToolCaller, name_there: str) -> None:
        self._caller = caller
        self._name_there = name_there

    async def _arun(self, /, **arguments: Any) -> str:
        # Without `config` and `run_manager` in the signature, arguments may have these names.
        is_pure = ToolTag.PURE in (self.tags or ())
        result = await self._caller.call(self._name_there, arguments, is_pure=is_pure)
        text = self._caller.hide(text_of(result))  # a server's errors, above all, quote what it was started with
        if result.is_error:
            raise ToolException(text or "The tool failed and did not say why.")
        return text

    def _run(self, /, **arguments: Any) -> NoReturn:
        raise NotImplementedError("MCP tools work in an event loop only")


def tools_of(
    server: McpServerSettings, listed: Sequence[Tool], caller: ToolCaller, taken: set[str]
) -> tuple[list[BaseTool], list[str]]:
    """Returns the server's tools that can be used, and what the operator should mend, such as why others cannot.

    `taken` are the names of other servers' tools, to which it adds those of these tools.
    """
    tools: list[BaseTool] = []
    problems = _unknown_names(server, listed)
    for tool in listed:
        if (rule := server.rule(tool.name)) is None:
            continue
        if len(tools) == MAX_TOOLS:
            problems.append(f"it has more than {MAX_TOOLS} tools; the others are not used")
            break
        reads_only = tool.annotations is not None and tool.annotations.read_only_hint is True
        tag = rule.tag or (ToolTag.PURE if reads_only and server.trust_read_only_hint else ToolTag.EFFECTS)
        metadata: dict[str, Any] = {"server": server.name}
        if (limit_s := rule.limit_seconds or server.limit_s) is not None:
            metadata[LIMIT_S] = limit_s
        if rule.question is not None:
            metadata[QUESTION] = rule.question
        name = _name(server.name, tool.name, taken)
        try:
            made = McpTool(
                name=name,
                description=(tool.description or tool.title or tool.name)[:MAX_DESCRIPTION_CHARS],
                args_schema=_schema(tool),
                tags=[tag],
                metadata=metadata,
            )
            convert_to_openai_tool(made)
            ToolPolicy.of(made)
        except Exception as error:  # noqa: BLE001 - boundary: a schema can be wrong in any way; other tools go on
            problems.append(f"the tool {tool.name[:MAX_NAME_CHARS]!r} is left out: {str(error)[:200]}")
            continue
        made.connect(caller, tool.name)
        taken.add(name)
        tools.append(made)
    return tools, problems


def _unknown_names(server: McpServerSettings, listed: Sequence[Tool]) -> list[str]:
    """Returns a problem for each name in the operator's rules that none of the server's tools has.

    The rule of a misspelt name would silently not hold, such as that the tool needs the user's yes.
    """
    known = [tool.name for tool in listed]
    shown = ", ".join(repr(name[:MAX_NAME_CHARS]) for name in known[:MAX_NAMES])
    shown += " and others" if len(known) > MAX_NAMES else ""
    problems = []
    for name in server.rules if known else ():
        if name != EVERY_OTHER and name not in known:
            near = get_close_matches(name, known, 1)
            cure = f"; did you mean {near[0][:MAX_NAME_CHARS]!r}?" if near else f"; it has {shown}"
            problems.append(f"it has no tool {name!r}, which MCP_CONFIG names{cure}")
    return problems


def _name(server: str, tool: str, taken: set[str]) -> str:
    """Returns a name that every model service accepts and that no other tool has.

    It depends only on the configuration, so that a tool has the same name after a restart.
    """
    prefix, own = _plain(server), _plain(tool)
    name = own if own.startswith(f"{prefix}_") else f"{prefix}_{own}"
    if len(name) > MAX_NAME_CHARS or name in taken:
        digest = hashlib.sha256(f"{server}\0{tool}".encode()).hexdigest()[:8]
        name = f"{name[: MAX_NAME_CHARS - 9]}_{digest}"
    return name


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)


def _schema(tool: Tool) -> dict[str, Any]:
    """Returns the schema of the tool's arguments. Raises ValueError if it cannot be used."""
    schema = tool.input_schema
    properties = schema.get("properties", {})
    if schema.get("type") != "object" or not isinstance(properties, dict):
        raise ValueError("its schema is not one of an object")
    if not all(isinstance(each, dict) for each in properties.values()):
        raise ValueError("the schema of an argument is no object")
    if len(json.dumps(schema)) > MAX_SCHEMA_CHARS:
        raise ValueError(f"its schema is longer than {MAX_SCHEMA_CHARS} characters")
    if _nodes(schema, schema, {}) > MAX_SCHEMA_NODES:
        raise ValueError("its schema has too many parts")
    return {**schema, "properties": properties}


def _nodes(part: Any, schema: dict[str, Any], known: dict[str, int]) -> int:
    """Returns how many parts a schema has once its references are replaced. `known` are those of references."""
    if isinstance(part, list):
        return 1 + sum(_nodes(each, schema, known) for each in part)
    if not isinstance(part, dict):
        return 1
    total = 1 + sum(_nodes(each, schema, known) for each in part.values())
    reference = part.get("$ref")
    if isinstance(reference, str):
        if reference not in known:
            known[reference] = 0  # a reference to itself is not followed
            known[reference] = _nodes(_target(reference, schema), schema, known)
        total += known[reference]
    return total


def _target(reference: str, schema: dict[str, Any]) -> Any:
    found: Any = schema
    for key in reference.removeprefix("#").strip("/").split("/"):
        if not isinstance(found, dict) or key not in found:
            raise ValueError("its schema refers to something that is not in it")
        found = found[key]
    return found


def text_of(result: CallToolResult) -> str:
    """Returns the result for the model. It may be empty."""
    parts = [_text(block) for block in result.content]
    if result.structured_content is not None and not any(isinstance(block, TextContent) for block in result.content):
        parts.append(json.dumps(result.structured_content, ensure_ascii=False))
    return "\n".join(filter(None, parts)).strip()


def _text(block: ContentBlock) -> str:
    match block:
        case TextContent(text=text) | EmbeddedResource(resource=TextResourceContents(text=text)):
            return text
        case ImageContent():
            return "[An image is left out.]"
        case AudioContent():
            return "[A sound is left out.]"
        case ResourceLink(name=name, uri=uri):
            return f"[{name}: {uri}]"
        case EmbeddedResource():
            return "[A file is left out.]"
