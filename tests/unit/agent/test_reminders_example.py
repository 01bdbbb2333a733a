"""The example of own tools: reminders that the bot says later."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import aclosing
from typing import Any

import pytest

from tests.support.noted_conversation import NotedConversation
from tests.support.paths import PROJECT
from tests.support.scripted_model import Script, brief, call
from tests.unit.agent.test_guarded_tools import HI, Calls, set_event
from voicebot.agent.agent import GraphAgent
from voicebot.agent.loading import load_module
from voicebot.agent.tools import Toolbox
from voicebot.agent.tools.own_tools import load_own_tools
from voicebot.dialogue.tool_calls import CallRecord
from voicebot.engines.conversation import ConversationError

EXAMPLE = str(PROJECT / "examples" / "tools" / "reminders.py")
TEA = '{"text": "Your tea is ready.", "minutes": 5}'


@pytest.fixture
def example() -> Iterator[Any]:
    module = load_module(EXAMPLE, "TOOLS")
    yield module
    module.reminders.clear()


async def results(conversation: NotedConversation, *answers: list[Any], confirmed: str = "") -> list[str]:
    """Returns what the model is told by the tools that it calls, in a reply of its own for each answer."""
    found: list[str] = []
    every: list[list[Any]] = list(answers) or [[]]
    for answer in every:
        model = Script(answers=[answer, ["Ok."]] if answer else [["Ok."]])
        agent = GraphAgent(model, load_own_tools([EXAMPLE]), "test", prompt=brief)
        calls = Calls(conversation=conversation)
        if confirmed:
            calls.confirmed = CallRecord("abcdefgh1", confirmed, "{}")
        async with aclosing(agent.reply(HI, set_event(), calls=calls)) as tokens:
            assert [token async for token in tokens][-1] == "Ok."
        found.append(model.given[-1][-1].text)
    return found


def test_it_has_a_tool_of_each_kind() -> None:
    assert {tool.name: tool.policy.tag for tool in Toolbox(load_own_tools([EXAMPLE])).tools} == {
        "remind": "effects",
        "list_reminders": "pure",
        "forget_reminders": "confirm",
    }


async def test_the_bot_says_a_reminder_when_its_time_has_come(example: Any) -> None:
    talk, other = NotedConversation("talk"), NotedConversation("other")
    assert await results(talk, [call("remind", TEA)], [call("list_reminders")]) == [
        "In 5 minutes you will say: Your tea is ready.",
        '["Your tea is ready. (set for 5 minutes)"]',
    ]
    assert await results(other, [call("list_reminders")]) == ["[]"]
    await asyncio.sleep(299)
    assert talk.said == []
    await asyncio.sleep(2)
    assert (talk.said, other.said) == (["Your tea is ready."], [])
    assert await results(talk, [call("list_reminders")]) == ["[]"]


async def test_reminders_are_forgotten_after_a_yes(example: Any) -> None:
    talk = NotedConversation("talk")
    await results(talk, [call("remind", TEA)])
    assert await results(talk, confirmed="forget_reminders") == ["Forgot 1 reminders."]
    await asyncio.sleep(301)
    assert talk.said == []
    assert await results(talk, confirmed="forget_reminders") == ["Error: There are no reminders."]


async def test_a_reminder_for_a_user_who_has_left_is_logged(example: Any, caplog: pytest.LogCaptureFixture) -> None:
    class Gone(NotedConversation):
        async def say(self, text: str) -> None:
            raise ConversationError("The user is not connected just now.")

    caplog.set_level("INFO")
    await results(Gone("talk"), [call("remind", TEA)])
    await asyncio.sleep(301)
    assert "a reminder could not be said: The user is not connected just now." in caplog.text
