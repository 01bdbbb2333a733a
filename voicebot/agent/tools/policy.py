"""What a tool may do when: its tag, its time limit, and the question that comes before it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from inspect import Parameter
from string import Formatter
from typing import Any

from langchain_core.tools import BaseTool, InjectedToolCallId
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from voicebot.dialogue.tool_calls import ToolTag

LIMIT_S, QUESTION = "limit_s", "question"
"""The keys of a LangChain tool's `metadata`."""

DEFAULT_LIMIT_S = 30.0
"""How long a tool may work unless it says otherwise. By then the user has heard eight fillers: nobody waits for longer.
It also is the usual time limit of gateways in front of web services."""

LONGEST_LIMIT_S = 3_600.0
"""The longest time limit. A call that runs for longer belongs in a job of its own, which the tool starts."""


class ToolError(TypeError):
    """A tool cannot be used as it is. The message says why, in names of the builder's code."""


@dataclass(frozen=True, slots=True)
class ToolPolicy:
    """How a tool is run. `questions` are templates over the names of its arguments, by language."""

    tag: ToolTag = ToolTag.EFFECTS
    limit_s: float = DEFAULT_LIMIT_S
    questions: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, tool: BaseTool) -> ToolPolicy:
        """Reads the policy from a tool's `tags` and `metadata`. A tool without a tag has effects. Raises ToolError."""
        tags = [tag for tag in ToolTag if tag in (tool.tags or ())]
        if len(tags) > 1:
            raise ToolError(f"it has the tags {' and '.join(tags)}, of which only one can hold")
        tag = tags[0] if tags else ToolTag.EFFECTS
        metadata = tool.metadata or {}
        limit_s = metadata.get(LIMIT_S, DEFAULT_LIMIT_S)
        if isinstance(limit_s, bool) or not isinstance(limit_s, int | float) or not 0 < limit_s <= LONGEST_LIMIT_S:
            raise ToolError(f"its time limit is {limit_s!r}; it must be a number of seconds up to {LONGEST_LIMIT_S:g}")
        questions = _questions(metadata.get(QUESTION, {}))
        if tag is ToolTag.CONFIRM:
            _check_questions(questions, frozenset(tool.args))
            if needed := _needed_from_graph(tool):
                raise ToolError(f"it has the tag confirm, so no graph can give it its argument {needed[0]!r}")
        elif questions:
            raise ToolError("it has a question, but not the tag confirm")
        return cls(tag, float(limit_s), questions)

    def question(self, language: str, arguments: Mapping[str, Any]) -> str:
        """Returns the question in the language, or in English, or in the first language that there is."""
        template = self.questions.get(language) or self.questions.get("en") or next(iter(self.questions.values()))
        return template.format(**{name: _aloud(value) for name, value in arguments.items()})


def injected_arguments(tool: BaseTool) -> frozenset[str]:
    """Returns the names of the arguments that a graph gives to the tool, and not a model."""
    by_schema = _fields(tool.get_input_schema()).keys() - _fields(tool.tool_call_schema).keys()
    by_function = tool._injected_args_keys  # noqa: SLF001 - LangChain offers no other way
    return by_function if isinstance(tool.args_schema, dict) else by_function | by_schema


def _fields(schema: Any) -> Mapping[str, FieldInfo]:
    """Returns the fields of a model; none if it is one of pydantic 1."""
    return schema.model_fields if isinstance(schema, type) and issubclass(schema, BaseModel) else {}


def _needed_from_graph(tool: BaseTool) -> list[str]:
    """Returns the arguments without which the tool cannot run, and which only a graph can give."""
    fields = _fields(tool.get_input_schema())
    function = getattr(tool, "coroutine", None) or getattr(tool, "func", None)
    parameters = inspect.signature(function).parameters if function is not None else {}
    needed = []
    for name in sorted(injected_arguments(tool)):
        if (field := fields.get(name)) is not None:
            # LangChain itself gives a tool the identifier of its call.
            is_id = any(each is InjectedToolCallId or isinstance(each, InjectedToolCallId) for each in field.metadata)
            is_needed = field.is_required() and not is_id
        else:
            is_needed = name not in parameters or parameters[name].default is Parameter.empty
        if is_needed:
            needed.append(name)
    return needed


def _questions(given: object) -> dict[str, str]:
    if isinstance(given, str):
        return {"en": given}
    if isinstance(given, Mapping) and all(isinstance(part, str) for pair in given.items() for part in pair):
        return dict(given)
    raise ToolError("its question must be a text, or a mapping from languages to texts")


def _check_questions(questions: Mapping[str, str], arguments: frozenset[str]) -> None:
    """Checks that the questions use only the arguments' names, so that nothing else can get into them."""
    if not questions or not all(template.strip() for template in questions.values()):
        raise ToolError("it has the tag confirm, but no question")
    for template in questions.values():
        try:
            names = [name for _, name, _, _ in Formatter().parse(template) if name is not None]
        except ValueError as error:
            raise ToolError(f"its question {template!r} is no template: {error}") from error
        if unknown := [name for name in names if name not in arguments]:
            known = ", ".join(sorted(arguments)) or "none"
            raise ToolError(f"its question names {{{unknown[0]}}}, which is no argument; the arguments are {known}")


def _aloud(value: Any) -> Any:
    """Returns the value as it is read aloud in a question."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(str(_aloud(each)) for each in value)
    return value
