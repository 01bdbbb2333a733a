"""The events of the simulated Realtime service: the server's events, and the checks of the client's events."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tests.simulators.brain import Answer, ChatMessage

Event = dict[str, Any]


def problem(event: Event, items: Sequence[Event], *, beta: bool, is_active: bool) -> tuple[str, str] | None:
    """Returns the code and the message of the error if a client event is wrong.

    `items` is the conversation before the event; `is_active` is True if a response is under way.
    """
    match event:
        case {"type": "session.update", "session": session}:
            if ("type" in session) == beta or ("modalities" in session) != beta:
                return "unknown_parameter", f"Unknown parameter in 'session' of {'beta' if beta else 'ga'}."
        case {"type": "conversation.item.create", "item": {"type": "message", "role": role, "content": content}}:
            right = {"user": "input_text", "assistant": "text" if beta else "output_text"}.get(role)
            if any(part["type"] != right for part in content):
                return "invalid_value", f"Supported values are: '{right}'."
        case {"type": "conversation.item.create", "item": {"type": "function_call_output", "call_id": call_id}}:
            if call_id not in [item["call_id"] for item in items if item["type"] == "function_call"]:
                return "item_not_found", "No tool call found with this call_id."
        case {"type": "conversation.item.create", "item": {"type": "function_call", "arguments": str()}}:
            pass
        case {"type": "response.create"}:
            if is_active:
                return "conversation_already_has_active_response", "There is an active response."
        case {"type": "response.cancel"}:
            if not is_active:
                return "response_cancel_not_active", "There is no active response."
        case _:
            return "invalid_event", f"Unknown event {event.get('type')!r}."
    return None


def response_events(answer: Answer, next_id: Callable[[str], str], *, beta: bool) -> Iterator[Event]:
    """Yields the events of a response, from its beginning up to its end, which is not included."""
    index = -1
    if answer.reasoning and not beta:
        # The service keeps the text of a reasoning item.
        index += 1
        item = {"id": next_id("item"), "type": "reasoning", "summary": []}
        yield {"type": "response.output_item.added", "output_index": index, "item": item}
        yield {"type": "response.output_item.done", "output_index": index, "item": item}
    if answer.text:
        index += 1
        kind = "text" if beta else "output_text"
        item = {"id": next_id("item"), "type": "message", "role": "assistant", "content": []}
        place = {"response_id": "resp_1", "item_id": item["id"], "output_index": index, "content_index": 0}
        yield {"type": "response.output_item.added", "output_index": index, "item": item}
        yield {"type": "response.content_part.added", **place, "part": {"type": "text", "text": ""}}
        for token in answer.tokens:
            yield {"type": f"response.{kind}.delta", **place, "delta": token}
        yield {"type": f"response.{kind}.done", **place, "text": answer.text}
        yield {"type": "response.content_part.done", **place, "part": {"type": "text", "text": answer.text}}
        yield {"type": "response.output_item.done", "output_index": index, "item": item}
    for call in answer.calls:
        index += 1
        item = {"id": next_id("item"), "type": "function_call", "name": call.name, "arguments": ""}
        item["call_id"] = next_id("call")
        place = {"response_id": "resp_1", "item_id": item["id"], "output_index": index, "call_id": item["call_id"]}
        yield {"type": "response.output_item.added", "output_index": index, "item": item}
        for piece in call.pieces():
            yield {"type": "response.function_call_arguments.delta", **place, "delta": piece}
        yield {"type": "response.function_call_arguments.done", **place, "arguments": call.text}
        yield {"type": "response.output_item.done", "output_index": index, "item": item | {"arguments": call.text}}


def message_of(item: Event) -> ChatMessage | None:
    match item:
        case {"type": "message", "role": role, "content": content}:
            return ChatMessage(role, "".join(part["text"] for part in content))
        case {"type": "function_call_output", "output": output}:
            return ChatMessage("tool", output)
    return None


def error(code: str, message: str) -> Event:
    return {"type": "invalid_request_error", "code": code, "message": message, "param": None, "event_id": None}
