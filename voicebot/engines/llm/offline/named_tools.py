"""Lets builders try their own tools without a language model: "use the tool NAME" calls it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import ToolCall

CALL_ID = "named"
"""The id of the call. There is at most one for an answer."""

_ASKED = re.compile(r"\b(?:use|try|run|call)(?: the)?(?: tool)? (?P<rest>.+)", re.DOTALL)
SAID_TYPES = frozenset(("string", "integer", "number", "array"))

_LINK = re.compile(r"^(?:with|for|on)\b")
_UNKNOWN = re.compile(r"\b(?:use|try|run|call) the tool (?P<name>\S+)", re.IGNORECASE)
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


@dataclass(frozen=True, slots=True)
class NamedTool:
    """A tool that can be called by its name, with one argument at most."""

    name: str
    argument: str = ""
    """The name of the argument that it needs, or else of the first one that it can have; empty if it has none."""
    type: str = ""
    """The argument's type in JSON schema: string, integer, number, or array of strings; empty for any other type."""
    needed: tuple[str, ...] = ()
    """The names of all arguments that it needs."""

    @classmethod
    def of(cls, schema: Mapping[str, Any]) -> NamedTool:
        """Returns the tool of a description in OpenAI's format."""
        function = schema["function"]
        parameters = function.get("parameters", {})
        needed, properties = tuple(parameters.get("required", ())), parameters.get("properties", {})
        argument = next(iter(needed or properties), "")
        given = properties.get(argument, {})
        kind = given.get("type", "")
        if kind == "array" and given.get("items", {}).get("type") != "string":
            kind = ""
        return cls(function["name"], argument, kind if kind in SAID_TYPES else "", needed)

    @property
    def words(self) -> list[str]:
        """The words of the name: `add_to_list` is said as "add to list"."""
        return re.findall(r"[a-z]+|\d+", self.name.lower())

    @property
    def said(self) -> str:
        return " ".join(self.words)

    def arguments(self, said: str) -> dict[str, Any] | None:
        """Returns the arguments in the words that follow the name; None if what is needed is not among them."""
        if len(self.needed) > 1:
            return None
        text = _LINK.sub("", said).strip(" .,:!?")
        value = self._value(text) if text else None
        if value is None:
            return None if self.needed else {}
        return {self.argument: value}

    def _value(self, text: str) -> Any:
        """Returns the text as a value of the argument's type; None if it is none."""
        number = _NUMBER.search(text)
        match self.type:
            case "string":
                return text
            case "array":
                return [text]
            case "integer":
                return None if number is None else int(float(number[0]))
            case "number":
                return None if number is None else float(number[0])
            case _:
                return None


def named_call(said: str, tools: Sequence[NamedTool]) -> ToolCall | NamedTool | None:
    """Returns the call that `said` asks for by the name of a tool, such as "use the tool dice"; None without one.

    Returns the tool itself if what it needs was not said. Of several names that fit, the longest one counts.
    """
    asked = _ASKED.search(" ".join(said.lower().split()))
    if asked is None:
        return None
    for tool in sorted(tools, key=lambda each: len(each.words), reverse=True):
        name = re.match(r"\W+".join(map(re.escape, tool.words)) + r"\b\W*", asked["rest"]) if tool.words else None
        if name is not None:
            arguments = tool.arguments(asked["rest"][name.end() :])
            return tool if arguments is None else ToolCall(name=tool.name, args=arguments, id=CALL_ID, type="tool_call")
    return None


def unknown_name(said: str) -> str:
    """Returns what stands for a tool's name in "use the tool NAME"; an empty text if `said` does not ask like that."""
    asked = _UNKNOWN.search(" ".join(said.split()))
    return asked["name"].strip(" .,:!?") if asked else ""
