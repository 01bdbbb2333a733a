"""A tool as graphs get it: wrapped, so that its policy holds in any graph."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial, wraps
from typing import Any

from langchain_core.messages import ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool, StructuredTool, Tool, ToolException
from langchain_core.tools.base import ArgsSchema
from langgraph.errors import GraphBubbleUp
from pydantic import BaseModel, PrivateAttr

from voicebot.agent.tools.calls import ToolFailedError, error_text, new_record, result_text
from voicebot.agent.tools.policy import ToolPolicy, injected_arguments
from voicebot.agent.tools.reply_tools import ReplyTools, as_config, enter_effect
from voicebot.dialogue.tool_calls import CallRecord, CallStatus, ConfirmationRequest, ToolTag
from voicebot.runtime.characters import whole_characters
from voicebot.runtime.contained import contained
from voicebot.runtime.threads import DaemonThreads

NOBODY_TO_ASK = "The tool needs the user's yes, and nobody can be asked here."

MADE_ONCE = "This call was made once, together with the equal one beside it. Its result: {result}"
"""What the model is told of a call that it has made twice in one message."""


class GuardedTool(BaseTool):
    """Runs the tool `inner` by its policy. Name, description and arguments are the inner tool's.

    - `pure`: at once. It is cancelled with its reply.
    - `effects`: once the reply is wanted, as a call that the application owns and that outlives the reply. Equal calls
      in one message are made once.
    - `confirm`: never within the graph, which ends with the question.

    A failure is a message for the model, whatever the graph does with exceptions: it is never raised. While the tool
    works, the reply's deadline is suspended and fillers are said. A synchronous function runs in a thread.
    """

    inner: BaseTool
    policy: ToolPolicy
    _threads: DaemonThreads = PrivateAttr()
    _run_by: BaseTool = PrivateAttr()
    """The inner tool, as it is run."""

    def __init__(self, inner: BaseTool, threads: DaemonThreads) -> None:
        """Wraps the tool. Raises ToolError if its tags or metadata are wrong."""
        super().__init__(
            name=inner.name,
            description=inner.description,
            args_schema=inner.args_schema,
            return_direct=inner.return_direct,
            response_format=inner.response_format,
            tags=inner.tags,
            metadata=inner.metadata,
            extras=inner.extras,
            inner=inner,
            policy=ToolPolicy.of(inner),
        )
        self._threads = threads
        self._run_by = _contained_tool(inner)

    # What graphs and models read of a tool --------------------------------------------------------------------------

    @property
    def func(self) -> Callable[..., Any] | None:
        """The inner tool's function: ToolNode reads in its signature what it has to inject."""
        return getattr(self.inner, "func", None)

    @property
    def coroutine(self) -> Callable[..., Any] | None:
        return getattr(self.inner, "coroutine", None)

    @property
    def args(self) -> dict[str, Any]:
        return self.inner.args

    @property
    def tool_call_schema(self) -> ArgsSchema:
        return self.inner.tool_call_schema

    def get_input_schema(self, config: RunnableConfig | None = None) -> Any:
        return self.inner.get_input_schema(config)

    # Running it ------------------------------------------------------------------------------------------------------

    def _run(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError("`run` and `arun` run the inner tool")

    def run(self, tool_input: str | dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Runs the tool for a graph that calls it from a thread."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            work, reply = self.arun(tool_input, *args, **kwargs), ReplyTools.of(kwargs.get("config"))
            return asyncio.run(work) if reply is None else reply.run_from_thread(work)
        raise TypeError(f"The tool {self.name} must be awaited here: call `ainvoke`")

    async def arun(
        self,
        tool_input: str | dict[str, Any],
        *args: Any,
        config: RunnableConfig | None = None,
        tool_call_id: str | None = None,
        **kwargs: Any,
    ) -> Any:
        """Runs the tool by its policy. Returns its output, or what the model is told of its failure."""
        reply = ReplyTools.of(config) or ReplyTools(_set_event())
        work = partial(self._run_inner, tool_input, *args, config=config, tool_call_id=tool_call_id, **kwargs)
        async with reply.working():
            try:
                arguments = self._checked(tool_input)
                match self.policy.tag:
                    case ToolTag.PURE:
                        return await self._counted(reply, partial(self._run_pure, work))
                    case ToolTag.EFFECTS:
                        return await self._run_effects(reply, self._visible(tool_input), work, tool_call_id)
                    case ToolTag.CONFIRM:
                        if not reply.can_ask:
                            raise ToolException(NOBODY_TO_ASK)
                        call = new_record(self.name, self._visible(tool_input))
                        question = whole_characters(self.policy.question(reply.language, arguments))
                        await reply.ask(ConfirmationRequest(call, question))
            except GraphBubbleUp:  # LangGraph's own: an interrupt, a command for a parent graph, a question
                raise
            except Exception as error:  # noqa: BLE001 - the boundary of the tool: the model is told of whatever it raises
                return self._message(error_text(error, self.name), tool_call_id, is_error=True)

    async def effect_of(self, call: CallRecord, reply: ReplyTools) -> str:
        """Runs the tool for a call that the user has confirmed; returns the result. Raises ToolFailedError."""
        given = {"type": "tool_call", "id": call.id, "name": self.name, "args": json.loads(call.arguments)}
        return await self._effect(reply, partial(self._invoke, given, as_config(reply)), [])

    async def _invoke(self, call: dict[str, Any], config: RunnableConfig) -> Any:
        if self._is_sync:
            return await self._threads.run(self.name, self._run_by.invoke, call, config)
        return await self._run_by.ainvoke(call, config)

    async def _run_pure(self, work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        limit_s = self.policy.limit_s
        try:
            async with asyncio.timeout(limit_s) as limit:
                return self._for_model(await work())
        except TimeoutError:
            if limit.expired():
                raise ToolFailedError(f"Error: the tool gave no result within {limit_s:g} s.") from None
            raise

    async def _run_effects(
        self,
        reply: ReplyTools,
        arguments: Mapping[str, Any],
        work: Callable[[], Coroutine[Any, Any, Any]],
        tool_call_id: str | None,
    ) -> Any:
        call = new_record(self.name, arguments)
        if (same := reply.equal_call(call)) is not None:
            ended = await asyncio.shield(same)
            result = MADE_ONCE.format(result=ended.result)
            return self._message(result, tool_call_id, is_error=ended.status is not CallStatus.DONE)
        outputs: list[Any] = []
        ended = await reply.run_effect(call, self._effect(reply, work, outputs), self.policy.limit_s)
        if outputs:
            return self._for_model(outputs[0])
        return self._message(ended.result, tool_call_id, is_error=True)

    async def _counted(self, reply: ReplyTools, work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """Runs the tool, and counts how it ended and how long it worked.

        Of a cancelled call with effects the end is unknown. A pure one that is cancelled with its reply is not counted.
        """
        began_s, status = time.monotonic(), CallStatus.FAILED
        try:
            output = await work()
            if not (isinstance(output, ToolMessage) and output.status == "error"):
                status = CallStatus.DONE
            return output
        except asyncio.CancelledError:
            status = CallStatus.UNKNOWN
            raise
        finally:
            if status is not CallStatus.UNKNOWN or self.policy.tag is not ToolTag.PURE:
                reply.calls.count_call(self.policy.tag, status, time.monotonic() - began_s)

    async def _effect(self, reply: ReplyTools, work: Callable[[], Coroutine[Any, Any, Any]], outputs: list[Any]) -> str:
        """Runs the tool, keeps its output for the graph, and returns the output as text. Raises ToolFailedError."""
        enter_effect()
        try:
            output = await self._counted(reply, work)
        except Exception as error:  # the boundary of the tool
            raise ToolFailedError(error_text(error, self.name)) from error
        outputs.append(output)
        text = result_text(output)
        if isinstance(output, ToolMessage) and output.status == "error":
            raise ToolFailedError(text)
        return text

    async def _run_inner(
        self, tool_input: str | dict[str, Any], *args: Any, config: RunnableConfig | None, **kwargs: Any
    ) -> Any:
        if self._is_sync:
            return await self._threads.run(self.name, self._run_by.run, tool_input, *args, config=config, **kwargs)
        return await self._run_by.arun(tool_input, *args, config=config, **kwargs)

    @property
    def _is_sync(self) -> bool:
        """Whether the inner tool has only a synchronous function."""
        if isinstance(self.inner, StructuredTool | Tool):
            return self.inner.coroutine is None
        return type(self.inner)._arun is BaseTool._arun  # noqa: SLF001 - the method that such tools override

    def _checked(self, tool_input: str | dict[str, Any]) -> dict[str, Any]:
        """Returns the arguments with their types and defaults. Raises ValidationError."""
        schema = self.inner.tool_call_schema
        visible = self._visible(tool_input)
        if isinstance(schema, dict):
            properties = schema.get("properties", {})
            usual = {name: each["default"] for name, each in properties.items() if "default" in each}
            return {**dict.fromkeys(properties, ""), **usual, **visible}
        if not issubclass(schema, BaseModel):  # pydantic 1
            return dict(schema.parse_obj(visible))
        checked = schema.model_validate(visible)
        return {name: getattr(checked, name) for name in schema.model_fields}

    def _visible(self, tool_input: str | dict[str, Any]) -> dict[str, Any]:
        """Returns the arguments that the model has given, without those that a graph injects."""
        schema = self.inner.args_schema
        names = [*(schema.get("properties", {}) if isinstance(schema, dict) else self.inner.args)]
        if isinstance(tool_input, str):
            return {names[0]: tool_input} if names else {}
        if isinstance(schema, dict) or _takes_any(schema):  # it need not list the arguments
            injected = injected_arguments(self.inner)
            return {name: value for name, value in tool_input.items() if name not in injected}
        return {name: value for name, value in tool_input.items() if name in names}

    def _message(self, text: str, tool_call_id: str | None, *, is_error: bool) -> ToolMessage | str:
        """Returns what the model is told, in the form that a tool returns it."""
        if tool_call_id is None:
            return text
        status = "error" if is_error else "success"
        return ToolMessage(text, tool_call_id=tool_call_id, name=self.name, status=status)

    def _for_model(self, output: Any) -> Any:
        """Returns the output in the form that the model gets: neither empty nor too long."""
        if isinstance(output, ToolMessage):
            told = result_text(output)
            return output if told == output.text else output.model_copy(update={"content": told})
        return result_text(output) if isinstance(output, str) else output


def _takes_any(schema: Any) -> bool:
    """Returns True if the schema takes arguments that it does not name."""
    return isinstance(schema, type) and issubclass(schema, BaseModel) and schema.model_config.get("extra") == "allow"


def _contained_tool(tool: BaseTool) -> BaseTool:
    """Returns the tool with a coroutine that raises only Exceptions.

    LangChain runs the coroutine in a task of its own, out of which SystemExit would get into the event loop.
    """
    if isinstance(tool, StructuredTool | Tool):
        coroutine = tool.coroutine
        return tool if coroutine is None else tool.model_copy(update={"coroutine": _contained_function(coroutine)})
    # A copy of any other tool would not see what its builder changes in it later.
    object.__setattr__(tool, "_arun", _contained_function(tool._arun))  # noqa: SLF001 - the method that tools override
    return tool


def _contained_function(function: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    @wraps(function)
    async def run(*args: Any, **kwargs: Any) -> Any:
        return await contained(function(*args, **kwargs))

    return run


def _set_event() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event
