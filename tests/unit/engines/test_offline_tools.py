"""The offline model and tools that it does not call itself: it says how calls of other models ended."""

from __future__ import annotations

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool

from tests.support.talk import MOMENT, Talk
from voicebot.agent.agent import GraphAgent
from voicebot.agent.tools import built_in_tools, pure
from voicebot.dialogue.history import History, Message, Role
from voicebot.dialogue.tool_calls import CallRecord, CallStatus
from voicebot.engines.llm.messages import to_messages
from voicebot.engines.llm.offline import OfflineModel
from voicebot.engines.llm.offline.answers import NO_TOOLS

MODEL = OfflineModel().bind_tools(built_in_tools())

ASKED: History = (Message(Role.USER, "order tea"), Message(Role.ASSISTANT, "One moment."))


def call(status: CallStatus, result: str, position: int = 1, *, reported: bool = False) -> CallRecord:
    return CallRecord("abcdefgh1", "order_tea", "{}", status, result, position, reported)


async def answer(said: str, *calls: CallRecord, history: History = ASKED) -> str:
    """Returns the model's answer to `said`, without the graph."""
    messages = to_messages((*history, Message(Role.USER, said)), "Be brief.", calls=calls)
    return (await MODEL.ainvoke(messages)).text


@pytest.mark.parametrize(
    ("status", "result", "said"),
    [
        (CallStatus.DONE, "two teas are on the way", "The tool order tea is done. Two teas are on the way. "),
        (CallStatus.DONE, '{"number": 7}', "The tool order tea is done. "),
        (CallStatus.DONE, "", "The tool order tea is done. "),
        (CallStatus.DONE, "word " * 50, "The tool order tea is done. "),
        (CallStatus.FAILED, "Error: The shop is closed.", "The tool order tea failed. The shop is closed. "),
        (CallStatus.UNKNOWN, "Error: stopped", "I don't know whether the tool order tea has done its work. "),
        (CallStatus.NOT_CONFIRMED, "The user said no.", "The tool order tea was not used. "),
        (CallStatus.RUNNING, "", ""),
    ],
)
async def test_a_call_that_has_ended_without_the_users_knowledge_is_reported_before_the_answer(
    status: CallStatus, result: str, said: str
) -> None:
    assert await answer("thank you", call(status, result)) == f"{said}{await answer('thank you')}"


async def test_a_call_that_the_user_knows_of_changes_nothing() -> None:
    known = call(CallStatus.DONE, "two teas", reported=True)
    for words in ("thank you", "repeat that", "go on", "tell me a joke"):
        assert await answer(words, known) == await answer(words)


async def test_a_confirmed_call_is_reported_in_place_of_an_answer_to_the_users_yes() -> None:
    made = call(CallStatus.DONE, "two teas are on the way", position=3, reported=True)
    assert await answer("yes please", made) == "The tool order tea is done. Two teas are on the way."


async def test_own_calls_are_made_although_another_models_call_comes_after_the_users_words() -> None:
    """A call of a reply that was cut short before a word was heard follows the words that are answered again."""
    messages = to_messages(
        (Message(Role.USER, "what is two plus two"),), "Be brief.", calls=(call(CallStatus.DONE, "tea"),)
    )
    asked = await MODEL.ainvoke(messages)
    assert [each["name"] for each in asked.tool_calls] == ["calculator"]
    result = ToolMessage("4", tool_call_id=str(asked.tool_calls[0]["id"]), name="calculator")
    done = await MODEL.ainvoke([*messages, asked, result])
    assert done.text == "The tool order tea is done. Tea. Two plus two is four."


async def test_results_of_earlier_answers_are_no_results_of_this_one() -> None:
    messages = [
        SystemMessage("Be brief."),
        HumanMessage("what is one plus one"),
        AIMessage(
            "", tool_calls=[{"name": "calculator", "args": {"expression": "1+1"}, "id": "0", "type": "tool_call"}]
        ),
        ToolMessage("2", tool_call_id="0"),
        AIMessage("One plus one is two."),
        HumanMessage("what is two plus two"),
    ]
    assert (await MODEL.ainvoke(messages)).tool_calls[0]["args"] == {"expression": "2 + 2"}


@pytest.mark.parametrize(
    ("reading", "said"),
    [("it is late", "It is late."), ('{"hour": 3}', NO_TOOLS), ("3", "3."), ("", "The tool has returned nothing.")],
)
async def test_an_own_tool_called_clock_that_answers_in_another_form_is_quoted_if_it_can_be_said(
    reading: str, said: str
) -> None:
    @pure
    @tool
    async def clock(place: str = "") -> str:
        """Tell the time."""
        return reading

    talk = Talk(MOMENT)
    talk.agent = GraphAgent(OfflineModel(), (*built_in_tools(), clock), "offline")
    assert await talk.say("what time is it") == said


def test_a_conversation_without_calls_has_no_notes() -> None:
    assert to_messages(ASKED, "Be brief.")[0].additional_kwargs == {}
