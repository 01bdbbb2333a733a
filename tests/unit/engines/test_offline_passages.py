"""The offline model repeats no joke and resumes an interrupted story where the user stopped hearing it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.talk import MOMENT, Talk
from voicebot.dialogue.history import History, heard, said
from voicebot.engines.llm.messages import to_messages
from voicebot.engines.llm.offline import OfflineModel
from voicebot.engines.llm.offline.passages import RESUMED, Passage, passages
from voicebot.engines.llm.offline.topics import STORIES_ALL_TOLD, UNKNOWN_EXAMPLES, topics
from voicebot.engines.llm.offline.words import bare_words

JOKES = passages("joke")
STORIES = passages("story")
SPEECH_WORDS_PER_S = 150 / 60
LONGEST_CLAUSE_WORDS = 20


def test_each_joke_and_story_begins_with_a_word_that_begins_nothing_else() -> None:
    firsts = [passage.words[0] for passage in (*JOKES, *STORIES)]
    replies = [reply for topic in topics().values() for reply in (topic.reply, topic.stand_in_reply) if reply]
    others = {bare_words(text)[0] for text in (*replies, *UNKNOWN_EXAMPLES, RESUMED)}
    assert len(firsts) == len(set(firsts))
    assert others.isdisjoint(firsts)
    assert len(JOKES) >= 20


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.words[0])
def test_stories_are_long_enough_to_interrupt(story: Passage) -> None:
    assert len(story.text.split()) / SPEECH_WORDS_PER_S > 60
    assert story.text.count("\n\n") >= 4


def test_jokes_and_stories_have_no_symbols_or_digits_and_end_with_punctuation() -> None:
    for passage in (*JOKES, *STORIES):
        assert not set(passage.text) & set("*_#[](){}<>—0123456789")
        assert passage.text[-1] in ".?!"


@pytest.mark.parametrize(
    ("ask", "hear"),
    [("tell me a joke", None), ("another one", None), ("more", 3), ("say something funny", 2), ("make me laugh", 1)],
)
async def test_no_joke_repeats_before_all_jokes_were_told(ask: str, hear: int | None) -> None:
    talk = Talk()
    told = [await talk.say("tell me a joke", hear=hear)]
    told += [await talk.say(ask, hear=hear) for _ in JOKES[1:]]
    assert sorted(told) == sorted(joke.text for joke in JOKES)
    assert await talk.say(ask) == told[0]


async def test_another_day_begins_with_another_joke() -> None:
    days = [Talk(MOMENT + timedelta(days=day)) for day in range(3)]
    assert len({await talk.say("a joke please") for talk in days}) == 3


async def test_an_interrupted_joke_is_finished_on_request() -> None:
    talk = Talk()
    joke = await talk.say("tell me a joke", hear=4)
    rest = await talk.say("go on")
    assert rest.startswith(RESUMED)
    assert joke.lower().endswith(rest.removeprefix(f"{RESUMED} ").lower())


@pytest.mark.parametrize(
    "ask", ["go on", "continue", "please continue the story", "what happened next", "and then?", "yes"]
)
async def test_an_interrupted_story_resumes_with_the_clause_that_was_interrupted(ask: str) -> None:
    talk = Talk()
    story = await talk.say("tell me a long story", hear=36)
    rest = await talk.say(ask)
    assert talk.history[1].text.endswith("Every evening, when the gulls had gone to")
    assert rest.startswith(f"{RESUMED} When the gulls had gone to bed, she climbed")
    assert story.endswith(rest.removeprefix(f"{RESUMED} When"))


async def test_a_story_interrupted_after_a_sentence_resumes_with_the_next_sentence() -> None:
    talk = Talk()
    sentences = STORIES[0].text.replace("\n\n", " ").split(". ")
    await talk.say("tell me a story", hear=len(sentences[0].split()))
    second = await talk.say("go on", hear=len(RESUMED.split()) + len(sentences[1].split()))
    assert second.startswith(f"{RESUMED} {sentences[1]}")
    assert (await talk.say("go on")).startswith(f"{RESUMED} {sentences[2]}")


async def test_a_story_resumes_after_other_talk() -> None:
    talk = Talk()
    await talk.say("tell me a story", hear=35)
    await talk.say("what time is it in tokyo")
    await talk.say("stop")
    assert (await talk.say("go on")).startswith(f"{RESUMED} When the gulls")


async def test_a_story_interrupted_at_words_that_open_another_story_resumes() -> None:
    # "In the" is also the beginning of the story before.
    talk = Talk()
    for words_heard in (20, 20, 7):
        await talk.say("tell me another story", hear=words_heard)
    assert talk.history[-1].text.endswith("boat in the")
    assert (await talk.say("go on")).startswith(f"{RESUMED} Pip was the smallest boat")


async def test_a_story_told_after_a_joke_in_one_answer_resumes() -> None:
    talk = Talk()
    both = await talk.say("tell me a joke and a story", hear=60)
    assert both.startswith(tuple(joke.text for joke in JOKES))
    rest = await talk.say("go on")
    assert bare_words(both)[-len(bare_words(rest)) + 3 :] == bare_words(rest)[3:]


async def test_a_story_resumes_after_the_user_asks_for_a_repetition() -> None:
    talk = Talk()
    await talk.say("tell me a story", hear=100)
    first = await talk.say("go on", hear=6)
    await talk.say("sorry, what did you say?")
    assert await talk.say("go on") == first


@settings(max_examples=40)
@given(st.sampled_from(STORIES), st.lists(st.integers(4, 120), min_size=1, max_size=6))
def test_a_story_interrupted_anywhere_loses_no_word_and_repeats_at_most_one_clause(
    story: Passage, cuts: list[int]
) -> None:
    history: History = heard(said((), "tell me a story"), " ".join(story.text.split()[: cuts[0]]), interrupted=True)
    position = len(bare_words(history[-1].text))
    for cut in cuts[1:]:
        history = said(history, "go on")
        answer = OfflineModel().invoke(to_messages(history, "")).text
        assert answer.startswith(RESUMED)
        rest = tuple(bare_words(answer.removeprefix(RESUMED)))
        start = len(story.words) - len(rest)
        assert rest == story.words[start:]
        assert 0 <= position - start <= LONGEST_CLAUSE_WORDS
        history = heard(history, " ".join(answer.split()[:cut]), interrupted=True)
        newly_heard = len(bare_words(history[-1].text)) - len(bare_words(RESUMED))
        # A single word could occur anywhere.
        position = max(position, start + newly_heard) if newly_heard > 1 else position
        if position == len(story.words):
            return


async def test_no_story_repeats_before_all_stories_were_told() -> None:
    talk = Talk()
    told = [await talk.say("tell me a story", hear=20)]
    told += [await talk.say("tell me another story") for _ in STORIES[1:]]
    assert told == [story.text for story in STORIES]
    assert await talk.say("one more") == f"{STORIES_ALL_TOLD} {told[0]}"


async def test_a_story_heard_to_its_end_is_not_resumed() -> None:
    talk = Talk()
    await talk.say("tell me a story")
    assert await talk.say("go on") == topics()["continue"].reply
