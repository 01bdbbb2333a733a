"""The offline model calls a builder's own tools by their names, so that they can be tried without a key.

The tools are coroutines: the simulated clock would not wait for a function in a thread.
"""

from __future__ import annotations

import pytest
from langchain_core.tools import ToolException

from tests.support.talk import MOMENT, Talk
from voicebot.agent.agent import GraphAgent
from voicebot.agent.tools import built_in_tools, pure
from voicebot.engines.llm.offline import OfflineModel
from voicebot.engines.llm.offline.answers import NO_TOOLS


@pure
async def dice(sides: int = 6) -> str:
    """Roll a die."""
    return f"{sides - 2}"


@pure
async def add_to_list(thing: str) -> str:
    """Put something on the list."""
    return f"{thing} is on the list"


@pure
async def add(number: int) -> str:
    """Count something."""
    return f"{number + 1} now"


@pure
async def weigh(kilos: float) -> str:
    """Weigh something."""
    return f"{kilos:.1f} kilos"


@pure
async def order(things: list[str]) -> str:
    """Order things."""
    if "nothing" in things[0]:
        raise ToolException("The shop is closed.")
    return f"{len(things)} order"


@pure
async def move(here: str, there: str) -> str:
    """Move something, which needs two arguments."""
    raise AssertionError


def talk() -> Talk:
    talk = Talk(MOMENT)
    own = (dice, add_to_list, add, weigh, order, move)
    talk.agent = GraphAgent(OfflineModel(), (*built_in_tools(), *own), "offline", filler_s=60.0)
    return talk


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("Use the tool dice.", "The tool dice is done. 4."),
        ("please run dice", "The tool dice is done. 4."),
        ("Use the tool dice with 20.", "The tool dice is done. 18."),
        ("Use the tool dice with many sides.", "The tool dice is done. 4."),
        ("Use add to list: milk and eggs.", "The tool add to list is done. Milk and eggs is on the list."),
        ("Use the tool add with 4.", "The tool add is done. 5 now."),
        ("Call weigh for 2.5 kilos", "The tool weigh is done. 2.5 kilos."),
        ("Use order with two lemons", "The tool order is done. 1 order."),
        ("Use order with nothing", "The tool order failed. The shop is closed."),
    ],
)
async def test_a_tool_is_called_by_its_name_and_its_result_is_said(said: str, answer: str) -> None:
    assert await talk().say(said) == answer


@pytest.mark.parametrize(
    "said",
    [
        "What is the use of dice?",
        "Tell me about the dice.",
        "Use the clock.",
    ],
)
async def test_other_words_get_the_usual_answer(said: str) -> None:
    assert await talk().say(said) == await Talk(MOMENT).say(said)


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("Use the tool add.", 'The tool add needs number. Say "use the tool add with".'),
        ("Use the tool add to list.", 'The tool add to list needs thing. Say "use the tool add to list with".'),
        ("Use the tool move here", "The tool move needs here and there. Only a model with a key can call it."),
        ("Use the tool diced.", "I have no tool called diced."),
    ],
)
async def test_what_keeps_a_tool_from_being_called_is_said(said: str, answer: str) -> None:
    assert await talk().say(said) == answer


async def test_a_model_that_was_given_no_tools_calls_none() -> None:
    for words in ("what is two plus two", "what time is it"):
        answer = await OfflineModel().ainvoke(words)
        assert (answer.text, answer.tool_calls) == (NO_TOOLS, [])


async def test_the_next_question_is_answered_as_ever() -> None:
    conversation = talk()
    await conversation.say("use the tool dice")
    assert await conversation.say("what is two plus two") == "Two plus two is four."
