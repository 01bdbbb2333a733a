"""The offline model as a fallback: it says once that the usual model is away, and then answers what it can."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.phrasings import CLOCK, HERE, SUMS, TALK, reply
from tests.support.talk import Talk
from voicebot.dialogue.history import heard, said
from voicebot.engines.llm.offline.passages import passages
from voicebot.engines.llm.offline.topics import AWAY, BEYOND, NEEDS_MODEL, STILL_BEYOND, UNKNOWN_EXAMPLES, topics

FIRST: dict[str, Any] = {"stands_in": True}
"""The request when another model, or none, gave the last answer."""
LATER: dict[str, Any] = {"stands_in": True, "stood_in": "offline"}

QUESTIONS = (
    *("why is the sky blue", "who was napoleon", "tell me about whales", "can you make me a sandwich"),
    *("what's the weather in berlin", "what is the news", "google something for me", "play some music"),
    *("do you speak german", "colourless green ideas", "so did you drive here this morning"),
)
"""Questions that a large language model answers and the embedded rules do not."""


@pytest.mark.parametrize("question", QUESTIONS)
async def test_a_question_beyond_the_offline_engine_gets_a_notice_that_the_model_is_away(question: str) -> None:
    assert await Talk().say(question, **FIRST) == f"{AWAY} {BEYOND}"
    assert await Talk().say(question, **LATER) == STILL_BEYOND


@pytest.mark.parametrize(
    ("question", "answer"), [("what time is it", HERE), ("what is 2 plus 2", "Two plus two is four.")]
)
async def test_an_answerable_question_is_answered_and_the_outage_is_announced_once(question: str, answer: str) -> None:
    talk = Talk()
    assert await talk.say(question, **FIRST) == f"{AWAY} {answer}"
    assert await talk.say(question, **LATER) == answer
    assert await talk.say("tell me a joke", **LATER) in [passage.text for passage in passages("joke")]


async def test_a_new_outage_is_announced_although_an_earlier_one_was() -> None:
    talk = Talk()
    await talk.say("why is the sky blue", **FIRST)
    talk.history = heard(said(talk.history, "and the sea"), "It reflects the sky.")
    assert (await talk.say("what time is it", **FIRST)).startswith(AWAY)


async def test_an_outage_is_announced_although_another_engine_stood_in_before() -> None:
    assert (await Talk().say("what time is it", stands_in=True, stood_in="openai")).startswith(AWAY)


@pytest.mark.parametrize("said_to_it", ["yes", "go on", "tell me more"])
async def test_a_response_to_the_models_last_answer_gets_a_notice_that_the_model_is_away(said_to_it: str) -> None:
    talk = Talk()
    talk.history = heard(said((), "tell me about whales"), "They sing. Shall I go on?")
    assert await talk.say(said_to_it, **FIRST) == f"{AWAY} {BEYOND}"


async def test_a_request_to_continue_the_models_answer_gets_a_notice_that_the_model_is_away() -> None:
    talk = Talk()
    talk.history = heard(said((), "tell me about whales"), "They sing", interrupted=True)
    assert await talk.say("go on", **FIRST) == f"{AWAY} {BEYOND}"


async def test_the_offline_engine_resumes_its_own_story_during_an_outage() -> None:
    talk = Talk()
    story = await talk.say("tell me a story", hear=40, **FIRST)
    assert story.startswith(AWAY)
    assert (await talk.say("go on", **LATER)).startswith("Where was I? ")


async def test_two_questions_beyond_the_offline_engine_get_one_answer() -> None:
    assert await Talk().say("what is the news, and what's the weather", **LATER) == STILL_BEYOND


async def test_a_user_in_distress_gets_the_help_text_without_an_outage_notice() -> None:
    assert await Talk().say("I want to kill myself", **FIRST) == reply("distress")


@pytest.mark.parametrize("question", [*CLOCK, *SUMS, *TALK])
async def test_answers_during_an_outage_make_no_claim_of_a_bot_without_a_model(question: str) -> None:
    for standing in (FIRST, LATER):
        answer = await Talk().say(question, **standing)
        for untrue in (
            NEEDS_MODEL,
            "entirely on this machine",
            "no connection to the outside",
            "sent anywhere",
            "can't do",
        ):
            assert untrue not in answer
        assert not answer.startswith((reply("unknown"), *UNKNOWN_EXAMPLES))


@pytest.mark.parametrize("question", QUESTIONS)
async def test_the_offline_engine_gives_its_usual_refusal_when_it_replaces_no_model(question: str) -> None:
    for stood_in in ("", "offline"):
        answer = await Talk().say(question, stood_in=stood_in)
        assert "away" not in answer
        assert answer in {topic.reply for topic in topics().values()}
