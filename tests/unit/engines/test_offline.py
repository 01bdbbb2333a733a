"""The offline model answers what people say, typed and transcribed. All conversations go through the real graph."""

from __future__ import annotations

import asyncio
import re
from contextlib import aclosing
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import (
    AIMessage,
    HumanMessage,
    ToolCall,
)

from tests.support.manual_clock import StoppedClock
from tests.support.phrasings import BOTH, CLOCK, SUMS, TALK, TOKYO, reply
from tests.support.talk import MOMENT, Talk
from voicebot.agent.tools import built_in_tools
from voicebot.dialogue.history import Message, Role
from voicebot.engines.llm.offline import OfflineModel
from voicebot.engines.llm.offline.conversation import ChatContext
from voicebot.engines.llm.offline.topics import NEEDS_MODEL, OFFER, UNKNOWN_EXAMPLES
from voicebot.engines.llm.offline.words import words_of
from voicebot.runtime.limits import OFFLINE_CHARS, OFFLINE_MESSAGES, OFFLINE_WORDS


@pytest.mark.parametrize(("said", "answer"), [*CLOCK.items(), *SUMS.items(), *TALK.items(), *BOTH.items()])
async def test_gives_the_expected_answer_to_common_phrasings(said: str, answer: str) -> None:
    spoken = await Talk().say(said)
    if answer.startswith("…"):
        assert spoken.endswith(answer.removeprefix("…"))
    else:
        assert spoken == answer


async def test_the_same_conversation_at_the_same_time_gets_the_same_answers() -> None:
    first, second = Talk(), Talk()
    for said in (
        *list(CLOCK)[:5],
        *list(SUMS)[:5],
        *list(TALK)[:5],
        "tell me a joke",
        "tell me a story",
        "repeat that",
    ):
        assert await first.say(said) == await second.say(said)


@pytest.mark.parametrize(
    ("hour", "greeting"), [(6, "Good morning!"), (13, "Good afternoon!"), (20, "Good evening!"), (2, "Good evening!")]
)
async def test_greets_according_to_the_hour(hour: int, greeting: str) -> None:
    assert (await Talk(MOMENT.replace(hour=hour)).say("hello")).startswith(greeting)


async def test_repeats_the_greeting_that_the_user_said() -> None:
    morning = MOMENT.replace(hour=9)
    assert (await Talk(morning).say("good evening")).startswith("Good evening!")
    assert (await Talk(morning).say("hello")).startswith("Good morning!")


@pytest.mark.parametrize(
    ("hour", "minute", "words"),
    [
        (0, 0, "midnight"),
        (0, 5, "twelve oh five at night"),
        (1, 15, "one fifteen in the morning"),
        (10, 30, "ten thirty in the morning"),
        (12, 0, "noon"),
        (12, 30, "twelve thirty in the afternoon"),
        (18, 45, "six forty-five in the evening"),
        (20, 0, "eight o'clock in the evening"),
        (23, 59, "eleven fifty-nine at night"),
    ],
)
async def test_says_the_time_in_words(hour: int, minute: int, words: str) -> None:
    moment = MOMENT.replace(hour=hour, minute=minute)
    assert await Talk(moment).say("what time is it") == f"It's {words} by this computer's clock."


async def test_uses_the_machines_own_time_zone_for_local_questions() -> None:
    moment = datetime(2026, 12, 24, 23, 30, tzinfo=timezone(timedelta(hours=-8)))
    talk = Talk(moment)
    assert await talk.say("what day is it") == "Today is Thursday, the twenty-fourth of December."
    assert await talk.say("how many days until christmas") == (
        "It's one day until Christmas, which is on Friday, the twenty-fifth of December."
    )
    assert "Friday" in await talk.say("what day is it in tokyo")


@pytest.mark.parametrize("day", [datetime(2026, 12, 25, tzinfo=UTC), datetime(2028, 2, 29, tzinfo=UTC)])
async def test_counts_the_days_to_the_next_christmas_including_today(day: datetime) -> None:
    answer = await Talk(day).say("how many days until christmas")
    monday = "It's three hundred days until Christmas, which is on Monday, the twenty-fifth of December."
    assert answer == ("Christmas is today!" if day.month == 12 else monday)


@pytest.mark.parametrize("said", ["what is the news", "what's the weather", "why is the sky blue", "play a song"])
async def test_explains_an_impossible_request_at_length_only_once(said: str) -> None:
    talk = Talk()
    first, second = await talk.say(said), await talk.say(said)
    assert len(second.split()) < 20 < len(first.split()) + 5


async def test_only_the_first_refusal_of_a_conversation_says_that_a_language_model_is_needed() -> None:
    talk = Talk()
    assert NEEDS_MODEL in await talk.say("why is the sky blue")
    short = "I can't answer that. Ask me for the time somewhere, a sum, a joke or a story."
    assert await talk.say("who was napoleon") == short
    assert await talk.say("what is the news") == "I can't look that up, because I have no connection to the internet."
    assert await talk.say("colourless green ideas") == f"Sorry, I didn't understand that. {OFFER}"
    assert await talk.say("what is two plus two") == "Two plus two is four."
    assert await talk.say("who was caesar") == short


async def test_a_refusal_whose_explanation_was_interrupted_is_not_explained_again() -> None:
    talk = Talk()
    await talk.say("why is the sky blue", hear=8)
    assert NEEDS_MODEL not in await talk.say("who was napoleon")


@pytest.mark.parametrize("said", ["who was napoleon", "what is love"])
async def test_says_that_a_language_model_is_needed_for_knowledge_questions(said: str) -> None:
    assert NEEDS_MODEL in await Talk().say(said)


async def test_repeated_unknown_input_gets_rotating_replies() -> None:
    talk = Talk()
    answers = [await talk.say("colourless green ideas") for _ in range(4)]
    assert answers == [reply("unknown"), *UNKNOWN_EXAMPLES, f"Sorry, I didn't understand that. {OFFER}"]
    assert answers[0] == f"{answers[3]} {NEEDS_MODEL}"


async def test_repeats_only_the_part_of_the_last_answer_that_was_heard() -> None:
    talk = Talk()
    await talk.say("what time is it in tokyo")
    assert await talk.say("what did you say") == TOKYO
    assert await talk.say("sorry what") == TOKYO
    await talk.say("what can you do", hear=8)
    assert await talk.say("say that again") == "I can tell you the time and the"


async def test_repeats_only_the_end_of_a_long_answer() -> None:
    talk = Talk()
    story = await talk.say("tell me a story")
    repeated = await talk.say("could you repeat that please")
    assert story.endswith(repeated)
    assert 20 < len(repeated.split()) <= 50


async def test_go_on_gives_an_interrupted_answer_again() -> None:
    talk = Talk()
    await talk.say("what time is it in tokyo", hear=3)
    assert await talk.say("go on") == TOKYO
    assert await talk.say("go on", hear=2) == reply("continue")
    assert await talk.say("go on") == TOKYO


async def test_yes_accepts_an_offered_joke() -> None:
    talk = Talk()
    await talk.say("I feel sad")
    joke = await talk.say("yes please")
    assert joke == await Talk().say("tell me a joke")


VOCABULARY = """
what time is it in tokyo the new york and two plus to times for minus divided by zero square root of percent ( ) - + * /
^ % 7 12.5 tell me a joke another story go on continue repeat that yes no stop who are you hello thanks weather date day
tomorrow until christmas friday difference between hundred thousand point my name is add from subtract
"""


@settings(max_examples=100)
@given(st.one_of(st.text(max_size=300), st.lists(st.sampled_from(VOCABULARY.split()), max_size=40).map(" ".join)))
async def test_any_text_gets_an_answer(said: str) -> None:
    if not said.split():
        return
    answer = await Talk().say(said)
    assert answer.strip()
    assert answer == answer.strip()
    assert "{" not in answer


@settings(max_examples=20)
@given(
    st.lists(
        st.tuples(st.lists(st.sampled_from(VOCABULARY.split()), min_size=1, max_size=6), st.integers(0, 30)), max_size=8
    )
)
async def test_every_turn_of_any_conversation_gets_an_answer(turns: list[tuple[list[str], int]]) -> None:
    talk = Talk()
    for words, hear in turns:
        assert (await talk.say(" ".join(words), hear=hear)).strip()


def test_only_the_end_of_a_long_text_and_of_a_long_history_is_read() -> None:
    assert len(words_of("time " * 10_000)) == OFFLINE_WORDS
    assert len(words_of("é" * 10_000)) <= OFFLINE_CHARS
    conversation = ChatContext.of([HumanMessage("tokyo"), AIMessage("Yes.")] * 4_000 + [HumanMessage("go on")])
    assert len(conversation.heard) + len(conversation.earlier_said) < OFFLINE_MESSAGES


async def test_the_end_of_a_very_long_text_is_answered() -> None:
    assert await Talk().say("blah " * 20_000 + "what is two plus two") == "Two plus two is four."


async def test_the_offline_engine_uses_the_tools_through_the_graph() -> None:
    talk = Talk()
    assert await talk.say("what time is it in tokyo") == "It's ten thirty in the morning in Tokyo, on Thursday."
    assert await talk.say("what is two plus two") == "Two plus two is four."


async def test_the_offline_engine_asks_for_the_tools_before_it_answers() -> None:
    model = OfflineModel(date_clock=StoppedClock(MOMENT)).bind_tools(built_in_tools())
    message = await model.ainvoke("what time is it in tokyo and what is two plus two")
    assert message.text == ""
    assert message.tool_calls == [
        ToolCall(name="clock", args={"place": "tokyo"}, id="0", type="tool_call"),
        ToolCall(name="calculator", args={"expression": "2 + 2"}, id="1", type="tool_call"),
    ]


async def test_the_offline_engine_streams_word_by_word_and_lets_other_tasks_run_in_between() -> None:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(others())
    wanted = asyncio.Event()
    wanted.set()
    pieces: list[str] = []
    async with aclosing(Talk().agent.reply((Message(Role.USER, "tell me a story"),), wanted)) as stream:
        async for token in stream:
            pieces.append(token)
    other.cancel()
    assert all(re.fullmatch(r"\S+\s*", piece) for piece in pieces)
    assert turns >= len(pieces)
