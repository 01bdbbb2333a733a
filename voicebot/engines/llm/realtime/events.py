"""Turns a request into client events of the Realtime protocol, and server events into chunks of an answer.

Source: platform.openai.com/docs/api-reference/realtime-client-events and -server-events; the beta's shapes from
"Developing with the Realtime API (beta)" there, and from services that still speak it (Azure's preview).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, SystemMessage, ToolMessage
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk

from voicebot.engines.errors import EngineError, Fault
from voicebot.engines.llm.failures import streamed_failure
from voicebot.engines.llm.request_fields import REALTIME_FIELDS

NAME = "openai-realtime"

Event = dict[str, Any]


class Dialect(StrEnum):
    """The version of the protocol. Here the two differ only in the session and in the assistant's text."""

    GA = "ga"
    BETA = "beta"

    @classmethod
    def of(cls, created: Mapping[str, Any]) -> Dialect:
        """Returns the dialect of a `session.created` event. Only the general version has a type in its session."""
        return cls.GA if created.get("session", {}).get("type") == "realtime" else cls.BETA


def session_update(
    dialect: Dialect, model: str, messages: Sequence[BaseMessage], tools: Sequence[Mapping[str, Any]]
) -> Event:
    """Returns the event that sets the persona, text instead of speech, the tools, and little reasoning.

    `tools` have the format of OpenAI's chat completions.
    """
    session: Event = {
        "instructions": "\n\n".join(message.text for message in messages if isinstance(message, SystemMessage)),
        "tools": [{"type": "function", **tool["function"]} for tool in tools],
        "tool_choice": "auto",
    }
    match dialect:
        case Dialect.GA:
            session |= {"type": "realtime", "output_modalities": ["text"], "audio": {"input": {"turn_detection": None}}}
            session |= REALTIME_FIELDS.fields_of(model)
        case Dialect.BETA:
            session |= {"modalities": ["text"], "turn_detection": None}
    return {"type": "session.update", "session": session}


def items(dialect: Dialect, messages: Sequence[BaseMessage]) -> Iterator[Event]:
    """Yields one event for each item of the conversation, without the system prompt."""
    for message in messages:
        for item in _items(dialect, message):
            yield {"type": "conversation.item.create", "item": item}


def _items(dialect: Dialect, message: BaseMessage) -> Iterator[Event]:
    match message:
        case SystemMessage():
            return
        case ToolMessage():
            yield {"type": "function_call_output", "call_id": message.tool_call_id, "output": message.text}
        case AIMessage():
            if message.text:
                kind = "output_text" if dialect is Dialect.GA else "text"
                content = [{"type": kind, "text": message.text}]
                yield {"type": "message", "role": "assistant", "content": content}
            for call in message.tool_calls:
                arguments = json.dumps(call["args"], ensure_ascii=False)
                yield {"type": "function_call", "call_id": call["id"], "name": call["name"], "arguments": arguments}
        case _:
            content = [{"type": "input_text", "text": message.text}]
            yield {"type": "message", "role": "user", "content": content}


class ResponseReader:
    """Reads the events of one response. It also accepts text and arguments that are sent whole, without deltas."""

    def __init__(self) -> None:
        self.is_done = False
        self._begun: set[tuple[str, int]] = set()
        """What was already read of each item: "text", "arguments" or "call", with the index of the item."""

    def chunk(self, event: Event) -> ChatGenerationChunk:
        """Returns what the event adds to the answer. Raises EngineError if the event reports a failure.

        An event that adds nothing gives an empty chunk, which shows that the service is at work.
        """
        return self._added(event) or _chunk(AIMessageChunk(content=""))

    def _added(self, event: Event) -> ChatGenerationChunk | None:
        index = event.get("output_index", 0)
        match event["type"]:
            case "response.output_text.delta" | "response.text.delta":
                return self._text(index, event["delta"])
            case "response.output_text.done" | "response.text.done":
                return None if ("text", index) in self._begun else self._text(index, event["text"])
            case "response.output_item.added" | "response.output_item.done":
                return self._item(index, event["item"])
            case "response.function_call_arguments.delta":
                return self._arguments(index, event["delta"])
            case "response.function_call_arguments.done":
                return None if ("arguments", index) in self._begun else self._arguments(index, event["arguments"])
            case "response.done":
                self.is_done = True
                return _end(event["response"])
            case "error":
                raise streamed_failure(NAME, event["error"])
        return None

    def _text(self, index: int, text: str) -> ChatGenerationChunk:
        self._begun.add(("text", index))
        return _chunk(AIMessageChunk(content=text))

    def _item(self, index: int, item: Event) -> ChatGenerationChunk | None:
        if item["type"] != "function_call" or ("call", index) in self._begun:
            return None
        self._begun.add(("call", index))
        call = tool_call_chunk(name=item["name"], args="", id=item["call_id"], index=index)
        return _chunk(AIMessageChunk(content="", tool_call_chunks=[call]))

    def _arguments(self, index: int, text: str) -> ChatGenerationChunk:
        self._begun.add(("arguments", index))
        call = tool_call_chunk(name=None, args=text, id=None, index=index)
        return _chunk(AIMessageChunk(content="", tool_call_chunks=[call]))


def _end(response: Event) -> ChatGenerationChunk:
    details = response.get("status_details") or {}
    match response["status"]:
        case "completed":
            return _chunk(AIMessageChunk(content=""), "stop")
        case "incomplete":  # the token limit or a filter ended it: the text so far stays
            return _chunk(AIMessageChunk(content=""), str(details.get("reason")))
        case "failed":
            raise streamed_failure(NAME, details.get("error"))
    raise EngineError(NAME, "the service abandoned the answer", fault=Fault.BROKEN)


def _chunk(message: AIMessageChunk, finish_reason: str | None = None) -> ChatGenerationChunk:
    return ChatGenerationChunk(
        message=message, generation_info=None if finish_reason is None else {"finish_reason": finish_reason}
    )
