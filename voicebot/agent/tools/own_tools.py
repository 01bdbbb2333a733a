"""Loads the builder's own tools, which the setting TOOLS names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType

from langchain_core.tools import BaseTool

from voicebot.agent.loading import LoadingError, is_path, load_module, load_object
from voicebot.agent.tools.decorators import effects
from voicebot.agent.tools.policy import ToolError, ToolPolicy

SETTING = "TOOLS"

NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
"""The names that models' services accept (platform.openai.com/docs/api-reference/chat)."""

TYPE_KEYS = frozenset({"type", "anyOf", "allOf", "oneOf", "$ref", "enum", "const"})
"""The description of a typed argument has one of these keys."""


def load_own_tools(entries: Sequence[str]) -> tuple[BaseTool, ...]:
    """Returns the tools that the entries name.

    An entry is `package.module:name`, `path/file.py:name`, or a folder, a file or a module, all of whose tools are
    meant. Raises LoadingError with a line for each entry that is wrong.
    """
    found: dict[str, tuple[str, BaseTool]] = {}
    problems = []
    for entry in entries:
        try:
            for tool in _tools_of(entry):
                known_entry, known = found.setdefault(tool.name, (entry, tool))
                if known is not tool:
                    both = f"{known_entry} has one, too" if known_entry != entry else "there are two"
                    raise LoadingError(f"{SETTING}: {entry}: the name {tool.name} of a tool is taken: {both}")
        except LoadingError as error:
            problems.append(str(error))
    if problems:
        raise LoadingError("\n".join(problems))
    return tuple(tool for _, tool in found.values())


def _tools_of(entry: str) -> list[BaseTool]:
    """Returns the tools of one entry, each once. Raises LoadingError."""
    name = entry.rpartition(":")[2]
    if name != entry and name.isidentifier():
        return [_tool_of(load_object(entry, SETTING), entry)]
    folder = Path(entry).expanduser()
    if folder.is_dir() and (is_path(entry) or not (folder / "__init__.py").exists()):
        files = sorted(file for file in folder.glob("*.py") if not file.name.startswith("_"))
        modules = [load_module(str(file), SETTING) for file in files]
    else:
        modules = [load_module(entry, SETTING)]
    tools = list({id(tool): tool for module in modules for tool in _tools_in(module)}.values())
    if not tools:
        raise LoadingError(f"{SETTING}: {entry} has no tool: decorate a function with @pure, @effects or @confirm")
    for tool in tools:
        _check(tool, entry)
    return tools


def _tools_in(module: ModuleType) -> Iterator[BaseTool]:
    return (value for name, value in vars(module).items() if isinstance(value, BaseTool) and not name.startswith("_"))


def _tool_of(found: object, entry: str) -> BaseTool:
    """Returns the tool that the entry names. A function that is not decorated counts as one with effects."""
    if isinstance(found, BaseTool):
        _check(found, entry)
        return found
    if not callable(found):
        raise LoadingError(f"{SETTING}: {entry} is no function and no LangChain tool")
    try:
        return effects(found)
    except ToolError as error:
        raise LoadingError(f"{SETTING}: {entry}: {error}") from error


def _check(tool: BaseTool, entry: str) -> None:
    """Checks a LangChain tool, which need not come from a decorator. Raises LoadingError."""
    try:
        ToolPolicy.of(tool)
        if not NAME.fullmatch(tool.name):
            raise ToolError("its name must be of at most 64 letters, digits, underscores and hyphens")
        if not tool.description.strip():
            raise ToolError("it has no description; the model reads there when to call it")
        for name, described in tool.args.items():
            if not TYPE_KEYS & described.keys():
                raise ToolError(f"its argument {name!r} has no type")
    except ToolError as error:
        raise LoadingError(f"{SETTING}: {entry}: {tool.name}: {error}") from error
