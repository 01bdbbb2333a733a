"""The decorators with which builders make tools of their functions."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, overload

from langchain_core.tools import BaseTool, StructuredTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic.errors import PydanticInvalidForJsonSchema

from voicebot.agent.tools.policy import DEFAULT_LIMIT_S, LIMIT_S, QUESTION, ToolError, ToolPolicy
from voicebot.dialogue.tool_calls import ToolTag

Function = Callable[..., Any] | BaseTool
"""A typed function with a docstring, plain or `async`, or a LangChain tool."""


@overload
def pure(function: Function, /) -> BaseTool: ...
@overload
def pure(*, limit_s: float = ...) -> Callable[[Function], BaseTool]: ...
def pure(
    function: Function | None = None, /, *, limit_s: float = DEFAULT_LIMIT_S
) -> BaseTool | Callable[[Function], BaseTool]:
    """Makes a tool without effects outside: it may run for a reply that is then discarded.

    The model reads the function's name, its docstring, and the types and descriptions of its arguments. The tool may
    work for `limit_s` seconds.
    """
    return _decorated(function, ToolTag.PURE, limit_s)


@overload
def effects(function: Function, /) -> BaseTool: ...
@overload
def effects(*, limit_s: float = ...) -> Callable[[Function], BaseTool]: ...
def effects(
    function: Function | None = None, /, *, limit_s: float = DEFAULT_LIMIT_S
) -> BaseTool | Callable[[Function], BaseTool]:
    """Makes a tool with effects outside: it starts only when the user's turn is over, and runs to its end.

    An interruption does not stop it; the next reply reports its result. After `limit_s` seconds the bot cancels it and
    waits no longer, and the model learns that nobody knows whether its effect happened.
    """
    return _decorated(function, ToolTag.EFFECTS, limit_s)


def confirm(
    question: str | Mapping[str, str], /, *, limit_s: float = DEFAULT_LIMIT_S
) -> Callable[[Function], BaseTool]:
    """Makes a tool with effects outside that runs only after the user's clear yes to `question`.

    The question is a template over the names of the arguments, such as "Shall I order {count} pizzas?", or one for each
    language, by its two-letter code.
    """
    if not isinstance(question, str | Mapping):
        raise ToolError('@confirm needs the question: @confirm("Shall I ...?")')
    return lambda function: _tool_of(function, ToolTag.CONFIRM, limit_s, question)


def _decorated(function: Function | None, tag: ToolTag, limit_s: float) -> BaseTool | Callable[[Function], BaseTool]:
    if function is None:
        return lambda given: _tool_of(given, tag, limit_s)
    return _tool_of(function, tag, limit_s)


def _tool_of(
    function: Function, tag: ToolTag, limit_s: float, question: str | Mapping[str, str] | None = None
) -> BaseTool:
    """Makes the tool and checks its policy. Raises ToolError, which names the function."""
    metadata: dict[str, Any] = {LIMIT_S: limit_s}
    if question is not None:
        metadata[QUESTION] = question
    tool = function if isinstance(function, BaseTool) else tool_from(function)
    tagged = tool.model_copy(update={"tags": [tag.value], "metadata": {**(tool.metadata or {}), **metadata}})
    try:
        ToolPolicy.of(tagged)
    except ToolError as error:
        raise ToolError(f"{tool.name}: {error}") from None
    return tagged


def tool_from(function: Callable[..., Any]) -> BaseTool:
    """Makes a LangChain tool of a typed function with a docstring. Raises ToolError, which names the function."""
    name = getattr(function, "__name__", repr(function))
    if not inspect.isfunction(function):
        raise ToolError(f"{name}: it is no function and no LangChain tool")
    if not (function.__doc__ or "").strip():
        raise ToolError(f"{name}: it has no docstring; the model reads there when to call it")
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise ToolError(f"{name}: the model cannot give its argument {parameter.name!r}")
        if parameter.annotation is parameter.empty:
            raise ToolError(f"{name}: its argument {parameter.name!r} has no type")
    is_async = inspect.iscoroutinefunction(function)
    try:
        tool = StructuredTool.from_function(
            func=None if is_async else function,
            coroutine=function if is_async else None,
            parse_docstring=True,
            error_on_invalid_docstring=False,
        )
        convert_to_openai_tool(tool)
        return tool
    except (NameError, TypeError, ValueError, PydanticInvalidForJsonSchema) as error:
        raise ToolError(f"{name}: its arguments cannot be described to a model: {error}") from error
