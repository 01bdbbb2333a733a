"""`current_conversation` in tools and nodes of graphs, synchronous or not, through the real graphs."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langchain_core.tools import BaseTool
from langgraph.graph import END, START, MessagesState, StateGraph

from tests.support.noted_conversation import NotedConversation
from tests.support.scripted_model import Script, brief, call
from tests.unit.agent.test_guarded_tools import HI, Calls, set_event
from voicebot.agent.agent import GraphAgent
from voicebot.agent.conversation import ConversationError, current_conversation
from voicebot.agent.own_agent import OwnGraphAgent
from voicebot.agent.own_graph import OwnGraph
from voicebot.agent.tools import Toolbox, effects, pure


@pure
async def whose() -> str:
    """Say whose conversation it is."""
    return current_conversation().id


@pure
def whose_in_thread() -> str:
    """Say whose conversation it is, from a thread."""
    return current_conversation().id


@effects
async def announce() -> str:
    """Announce something."""
    await current_conversation().say("announced")
    return current_conversation().id


@effects
def announce_from_thread() -> str:
    """Announce something, from a thread."""
    current_conversation().say_from_thread("announced")
    return current_conversation().id


async def said_by(agent: GraphAgent, conversation: NotedConversation) -> str:
    calls = Calls(conversation=conversation)
    async with aclosing(agent.reply(HI, set_event(), calls=calls)) as pieces:
        return "".join([piece async for piece in pieces])


@pytest.mark.parametrize("tool", [whose, whose_in_thread, announce, announce_from_thread])
async def test_a_tool_knows_its_conversation_even_in_a_thread(tool: BaseTool) -> None:
    model = Script(answers=[[call(tool.name)], ["Done."]])
    conversation = NotedConversation("ann")
    assert await said_by(GraphAgent(model, Toolbox([tool]), "script", prompt=brief), conversation) == "Done."
    assert model.given[-1][-1].text == "ann"
    assert conversation.said == (["announced"] if "announce" in tool.name else [])


def node(state: MessagesState) -> dict[str, Any]:
    return {"messages": [AIMessage(current_conversation().id)]}


async def async_node(state: MessagesState) -> dict[str, Any]:
    return {"messages": [AIMessage(current_conversation().id)]}


async def node_with_task(state: MessagesState) -> dict[str, Any]:
    async def work() -> str:
        return current_conversation().id

    return {"messages": [AIMessage(await asyncio.create_task(work()))]}


@pytest.mark.parametrize("answer", [node, async_node, node_with_task])
async def test_a_node_of_an_own_graph_knows_its_conversation(answer: Any) -> None:
    graph = StateGraph(MessagesState)
    graph.add_node("answer", answer)
    graph.add_edge(START, "answer")
    graph.add_edge("answer", END)
    agent = OwnGraphAgent(OwnGraph("own", graph.compile()), None, (), "own")
    assert await said_by(agent, NotedConversation("ann")) == "ann"


async def test_replies_at_the_same_time_know_their_own_conversations() -> None:
    both = asyncio.Barrier(2)

    @pure
    async def meet() -> str:
        """Meet the other one."""
        await both.wait()
        return current_conversation().id

    async def one(name: str) -> str:
        model = Script(answers=[[call("meet")], ["Done."]])
        await said_by(GraphAgent(model, Toolbox([meet]), "script", prompt=brief), NotedConversation(name))
        return model.given[-1][-1].text

    assert await asyncio.gather(one("ann"), one("bob")) == ["ann", "bob"]


async def test_the_model_is_told_in_words_why_nothing_could_be_said() -> None:
    class Gone(NotedConversation):
        async def say(self, text: str) -> None:
            raise ConversationError("The user is not connected just now.")

    model = Script(answers=[[call("announce")], ["Done."]])
    await said_by(GraphAgent(model, Toolbox([announce]), "script", prompt=brief), Gone())
    assert model.given[-1][-1].text == "Error: The user is not connected just now."


def test_outside_a_reply_there_is_no_conversation() -> None:
    with pytest.raises(LookupError, match="no current conversation"):
        current_conversation()
