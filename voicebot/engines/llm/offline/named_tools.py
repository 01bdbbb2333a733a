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
_LINK = re.compile(r"^(?:with|for|on)\b")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


@dataclass(frozen=True, slots=True)
class NamedTool:
    """A tool that can be called by its name: it needs no argument, or one that can be said."""

    name: str
    argument: str = ""
    """The name of the argument that it needs; empty if it needs none."""
    type: str = ""
    """The argument's type in JSON schema: string, integer, number, or array of strings."""

    @classmethod
    def of(cls, schema: Mapping[str, Any]) -> NamedTool | None:
        """Returns the tool of a description in OpenAI's format; None if it needs more than can be said."""
        function = schema["function"]
        parameters = function.get("parameters", {})
        match parameters.get("required", []):
            case []:
                return cls(function["name"])
            case [argument]:
                given = parameters["properties"][argument]
                kind = given.get("type", "")
                of_strings = kind == "array" and given.get("items", {}).get("type") == "string"
                if of_strings or kind in ("string", "integer", "number"):
                    return cls(function["name"], argument, kind)
        return None

    @property
    def words(self) -> list[str]:
        """The words of the name: `add_to_list` is said as "add to list"."""
        return re.findall(r"[a-z]+|\d+", self.name.lower())

    def arguments(self, said: str) -> dict[str, Any] | None:
        """Returns the arguments in the words that follow the name; None if the one that is needed is not among them."""
        if not self.argument:
            return {}
        text = _LINK.sub("", said).strip(" .,:!?")
        if self.type in ("integer", "number"):
            number = _NUMBER.search(text)
            if number is None:
                return None
            return {self.argument: int(float(number[0])) if self.type == "integer" else float(number[0])}
        if not text:
            return None
        return {self.argument: [text] if self.type == "array" else text}


def named_call(said: str, tools: Sequence[NamedTool]) -> ToolCall | None:
    """Returns the call that `said` asks for by the name of a tool, such as "use the tool dice"; None without one.

    Of several names that fit, the longest one counts.
    """
    asked = _ASKED.search(" ".join(said.lower().split()))
    if asked is None:
        return None
    for tool in sorted(tools, key=lambda each: len(each.words), reverse=True):
        name = re.match(r"\W+".join(map(re.escape, tool.words)) + r"\b\W*", asked["rest"]) if tool.words else None
        if name is not None and (arguments := tool.arguments(asked["rest"][name.end() :])) is not None:
            return ToolCall(name=tool.name, args=arguments, id=CALL_ID, type="tool_call")
    return None
