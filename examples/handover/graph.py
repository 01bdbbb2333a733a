"""A graph that hands the conversation over to a person when the user asks for one.

    .venv/bin/python examples/handover/console.py
    HANDOVER_WEBHOOK=http://127.0.0.1:8700 AGENT=examples/handover/graph.py:make .venv/bin/python app.py

It says that it gets a person, and tells the webhook. From then on the bot is silent: what the user says goes to the
webhook, and what the person posts to `say_url` is spoken. The person gives the conversation back with DELETE.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import httpx
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, SystemMessage
from langchain_core.tools import BaseTool
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.prebuilt import ToolNode, tools_condition

from voicebot.agent.conversation import Conversation, ConversationError, Handover, HandoverEnd, current_conversation
from voicebot.dialogue.history import Message, Role

logger = logging.getLogger(__name__)

WEBHOOK = os.environ.get("HANDOVER_WEBHOOK", "http://127.0.0.1:8700")
WEBHOOK_S = 5.0
"""How long the webhook may take to answer."""

UNREACHABLE = (httpx.HTTPError, httpx.InvalidURL)
"""What httpx raises if the webhook does not answer, or if `WEBHOOK` is not an address."""

WAIT_S = float(os.environ.get("HANDOVER_WAIT_S", "120"))
"""The bot comes back if the person says nothing for this long."""

ASKS_FOR_A_PERSON = re.compile(
    r"\b(speak|talk|connect|put|transfer|get|want|need)\b.{0,30}\b(person|human|agent|operator|representative)\b", re.I
)

COMING = "I'll get a person for you. Please stay on the line."
BACK = "You are talking to the bot again."
NOBODY = "I'm sorry, nobody has answered. I'm here again, if I can help."
FAILED = "I'm sorry, I can't reach a person: {reason}. I'm here again, if I can help."

_desks: set[asyncio.Task[None]] = set()
"""The tasks of the conversations that were handed over. asyncio itself keeps no task alive."""


def make(
    model: BaseChatModel, tools: Sequence[BaseTool], prompt: str
) -> CompiledStateGraph[MessagesState, None, MessagesState, MessagesState]:
    """Creates the graph: a model with its tools, and beside it the node that hands over."""
    with_tools = model.bind_tools(tools) if tools else model

    async def answer(state: MessagesState) -> dict[str, Any]:
        return {"messages": [await with_tools.ainvoke([SystemMessage(prompt), *state["messages"]])]}

    async def hand_over(state: MessagesState) -> dict[str, Any]:
        conversation = current_conversation()
        try:
            handover = await conversation.hand_over()
        except ConversationError as error:
            return {"messages": [AIMessage(FAILED.format(reason=error))]}
        desk = asyncio.create_task(serve(conversation, handover), name="desk")
        _desks.add(desk)
        desk.add_done_callback(_desks.discard)
        return {"messages": [AIMessage(COMING)]}

    graph = StateGraph(MessagesState)
    graph.add_node("answer", answer)
    graph.add_node("tools", ToolNode(tools))
    graph.add_node("hand_over", hand_over)
    graph.add_conditional_edges(START, wants_a_person, {True: "hand_over", False: "answer"})
    graph.add_conditional_edges("answer", tools_condition, {"tools": "tools", END: END})
    graph.add_edge("tools", "answer")
    graph.add_edge("hand_over", END)
    return graph.compile(name="handover")


async def wants_a_person(state: MessagesState) -> bool:
    """Returns whether the user asks for a person. The words are enough here; a model with a tool could tell better."""
    return ASKS_FOR_A_PERSON.search(state["messages"][-1].text) is not None


async def serve(conversation: Conversation, handover: Handover) -> None:
    """Tells the person of the conversation and of all that is said in it, until the handover ends."""
    about = {"conversation": conversation.id, "say_url": handover.say_url}
    last_words = BACK
    async with httpx.AsyncClient(timeout=WEBHOOK_S) as http:
        try:
            transcript = [as_json(message) for message in conversation.history]
            await post(http, {"event": "handover", **about, "transcript": transcript})
            if not await forward(http, about, handover):
                last_words = NOBODY
        except UNREACHABLE as error:
            address = urlsplit(WEBHOOK).netloc.rpartition("@")[2]
            logger.warning("the webhook at %s failed: %s", address, type(error).__name__)
            last_words = FAILED.format(reason=in_plain_words(error))
        finally:
            handover.end()  # if it has not ended: whatever went wrong, the bot answers again
        try:
            await post(http, {"event": "ended", **about, "reason": handover.ended or ""})
        except UNREACHABLE:
            logger.warning("the webhook does not know that the handover has ended")
    if handover.ended is HandoverEnd.GIVEN_BACK:
        with suppress(ConversationError):  # the user has left
            await conversation.say(last_words)


async def forward(http: httpx.AsyncClient, about: dict[str, str], handover: Handover) -> bool:
    """Posts each message until the handover ends. Returns False if the person has said nothing for `WAIT_S`."""
    messages = aiter(handover)
    loop = asyncio.get_running_loop()
    patience_s = loop.time() + WAIT_S
    while True:
        try:
            async with asyncio.timeout_at(patience_s):
                message = await anext(messages, None)
        except TimeoutError:
            return False
        if message is None:
            return True
        if message.role is Role.ASSISTANT:
            patience_s = loop.time() + WAIT_S
        await post(http, {"event": "message", **about, "message": as_json(message)})


async def post(http: httpx.AsyncClient, event: dict[str, Any]) -> None:
    (await http.post(WEBHOOK, json=event)).raise_for_status()


def as_json(message: Message) -> dict[str, Any]:
    return {"role": message.role.value, "text": message.text, "interrupted": message.interrupted}


def in_plain_words(error: Exception) -> str:
    if isinstance(error, httpx.HTTPStatusError):
        return "everybody is busy" if error.response.status_code == 503 else "the line does not work"
    return "nobody answers there"
