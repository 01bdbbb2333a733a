"""The user speaks while the bot talks: real speech over WebRTC, a real detector and recogniser, a scripted agent.

Coughs, noises and many more words are in `test_interruption_matrix`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest

from tests.support.engines import ScriptedAgent
from tests.support.live_server import LiveServer, serving
from tests.support.room import Room, synthetic_response
from tests.support.rtc_client import RtcClient
from tests.support.shared import SHARED, recording, recordings
from tests.support.speech import spoken
from tests.support.understanding import words
from voicebot.audio.sound import WIRE_RATE_HZ, Audio
from voicebot.bootstrap import engines as build
from voicebot.settings import config

Json = dict[str, Any]

STORY = (
    "Once upon a time there was a young captain who lived in a small white house above the harbour. ",
    "Every morning she looked at the ships and wondered where they had come from.",
)
FULL_STORY = "".join(STORY)


@dataclass
class Talk:
    """A client and the running bot, whose agent gives scripted answers."""

    client: RtcClient
    agent: ScriptedAgent
    server: LiveServer

    async def state(self, condition: Callable[[Json], object], timeout_s: float = 40) -> Json:
        """Waits for a state for which the condition holds, beginning with the latest message, and returns it."""
        before = max(0, len(self.client.messages) - 1)
        return await self.client.wait_for_message(
            lambda message: (
                message["type"] == "state" and bool(condition(message)) and message in self.client.messages[before:]
            ),
            timeout_s,
        )

    async def start_story(self, words: int = 6) -> None:
        self.client.send({"type": "text", "text": "tell me a story"})
        await self.state(lambda state: len(heard(state).split()) >= words)

    async def wait_until_idle(self) -> Json:
        """Waits until the conversation is idle, and returns the state."""
        return await self.state(lambda state: state["phase"] == "idle" and state["chat"])

    async def say(self, *sounds: Audio) -> None:
        for sound in sounds:
            self.client.microphone.say(sound.resampled(WIRE_RATE_HZ))
        await self.client.microphone.said()


def heard(state: Json) -> str:
    last = [message for message in state["chat"] if message["role"] == "assistant"][-1:]
    return str(last[0]["heard"]) if last else ""


def said(state: Json) -> list[str]:
    return [message["text"] for message in state["chat"] if message["role"] == "user" and not message["interim"]]


@asynccontextmanager
async def talking(*answers: Sequence[str], room: Room | None = None, **settings: Any) -> AsyncIterator[Talk]:
    options = config.load(**settings)
    agent = ScriptedAgent(scripts=[list(answer) for answer in answers])
    engines = replace(build.build(options), agent=agent)
    async with serving(engines, options) as server, RtcClient(server.url, room=room) as client:
        yield Talk(client, agent, server)


def check_story_finished(state: Json) -> None:
    """Checks that the story was heard to its end, in one reply."""
    assert heard(state) == FULL_STORY, state["verdicts"]
    assert [message["role"] for message in state["chat"]] == ["user", "assistant"]
    assert not state["chat"][-1]["interrupted"]


# The reply goes on ------------------------------------------------------------------------------------------------


async def test_the_bot_finishes_its_reply_after_a_backchannel() -> None:
    async with talking(STORY) as talk:
        await talk.start_story()
        await talk.say(spoken("uh huh", "slt"))  # the "uh-huh" of this voice is always recognised
        await talk.state(lambda state: state["verdicts"] and state["phase"] == "speaking")
        state = await talk.wait_until_idle()
        check_story_finished(state)
        assert {record["decision"] for record in state["verdicts"]} == {"resume"}


@pytest.mark.alone
async def test_the_bot_is_not_interrupted_by_its_own_echo() -> None:
    async with talking(STORY, room=Room(synthetic_response(), -20.0)) as talk:
        await talk.start_story(1)
        state = await talk.wait_until_idle()
        check_story_finished(state)
        assert len(talk.agent.asked) == 1


# The reply stops --------------------------------------------------------------------------------------------------


async def test_an_interruption_stops_the_reply_and_is_recognised_from_its_first_syllable() -> None:
    text = "what is ten times three"
    async with talking(STORY, *[["Thirty it is."]] * 3) as talk:
        await talk.start_story()
        await talk.say(spoken(text))
        state = await talk.state(lambda state: "Thirty it is" in heard(state) and state["phase"] == "idle")
        story, question, answer = state["chat"][-3:]
        assert story["interrupted"]
        assert FULL_STORY.startswith(story["heard"])
        assert len(story["heard"].split()) < len(FULL_STORY.split())
        assert words(question["text"]) == words(text)
        assert answer["heard"] == "Thirty it is."
        assert words(talk.agent.asked[-1][-1].text) == words(question["text"])


async def test_a_recorded_interruption_stops_the_reply() -> None:
    recordings("turn")
    async with talking(STORY, *[["Thirty it is."]] * 3) as talk:  # a preemptive reply may be begun again
        await talk.start_story()
        await talk.say(recording("phrase_first_year_long_female_G.flac"))
        state = await talk.state(lambda state: "Thirty it is" in heard(state))
        assert state["chat"][-3]["interrupted"]


@pytest.mark.alone
async def test_speech_over_an_echo_interrupts_the_reply() -> None:
    question = spoken("what is ten times three")  # made first, as it would hold up the room too
    async with talking(STORY, *[["Thirty it is."]] * 3, room=Room(synthetic_response(), -14.0)) as talk:
        await talk.start_story(10)
        await talk.say(question)
        state = await talk.state(lambda state: len(talk.agent.asked) > 1 and len(said(state)) > 1)
        assert state["chat"][1]["interrupted"]
        assert words(said(state)[1]) == words("what is ten times three")


async def test_a_stop_word_ends_the_reply_without_a_new_one() -> None:
    async with talking(STORY) as talk:
        await talk.start_story()
        await talk.say(spoken("stop stop"))
        state = await talk.wait_until_idle()
        assert state["chat"][-1]["interrupted"]
        assert state["verdicts"][0]["rule"] == "stop word"
        assert len(talk.agent.asked) == 1


@pytest.mark.parametrize("source", ["spoken", "recorded"])
async def test_yes_after_a_question_is_an_answer(source: str) -> None:
    if source == "recorded" and not SHARED.exists():
        pytest.skip("there is no folder `shared` with recorded speech beside the project")
    yes = spoken("yes") if source == "spoken" else recording("reply_yes.flac")
    async with talking(["I know a story about a captain. ", "Would you like to hear it? "], ["Here it is."]) as talk:
        talk.client.send({"type": "text", "text": "hello"})
        await talk.state(lambda state: heard(state).endswith(("like to hear", "hear it?")))
        await talk.say(yes)
        state = await talk.state(lambda state: "Here it is." in heard(state) and state["phase"] == "idle")
        assert [message["role"] for message in state["chat"]] == ["user", "assistant", "user", "assistant"]


# The bot began too soon -------------------------------------------------------------------------------------------


async def test_words_after_the_first_sound_of_the_answer_join_the_message() -> None:
    rest = spoken("about a captain and a ship")  # made first, as it would hold up the client
    async with talking(STORY, *[["She sailed away."]] * 3) as talk:  # a preemptive reply may be begun again
        await talk.say(spoken("please tell me a story"))
        await talk.client.heard.wait_for_sound()
        await talk.say(rest)
        state = await talk.state(lambda state: heard(state) == "She sailed away." and state["phase"] == "idle")
        assert [message["role"] for message in state["chat"]] == ["user", "assistant"]
        assert words(said(state)[0]) == words("please tell me a story about a captain and a ship")
        assert state["verdicts"][0]["rule"] == "continuation"
        assert talk.agent.asked[-1][-1].text == said(state)[0]


# Whole turns ------------------------------------------------------------------------------------------------------


async def test_a_sentence_goes_on_after_a_pause_in_which_more_was_to_come() -> None:
    async with talking(["Fine."], ["Fine."], ["Fine."]) as talk:
        pause = Audio.silence(0.6, WIRE_RATE_HZ)
        await talk.say(spoken("tell me a joke and"), pause, spoken("what time is it"))
        state = await talk.state(lambda state: heard(state) == "Fine." and state["phase"] == "idle")
        assert [message["role"] for message in state["chat"]] == ["user", "assistant"]
        assert words(state["chat"][0]["text"]) == words("tell me a joke and what time is it")


async def test_a_second_question_right_after_a_whole_one_is_not_lost() -> None:
    """The first one is answered at once, so that the second one may come over the answer."""
    async with talking(["Fine."], ["Fine."], ["Fine."]) as talk:
        await talk.say(spoken("what time is it"), Audio.silence(0.4, WIRE_RATE_HZ), spoken("tell me a joke"))
        said = words("what time is it tell me a joke")

        def all_was_said(state: Json) -> bool:
            messages = [words(message["text"]) for message in state["chat"] if message["role"] == "user"]
            return [word for message in messages for word in message] == said

        await talk.state(
            lambda state: all_was_said(state) and state["chat"][-1].get("heard") == "Fine." and state["phase"] == "idle"
        )


async def test_a_microphone_muted_in_mid_speech_ends_the_utterance() -> None:
    async with talking(["Fine."]) as talk:
        question = spoken("what is ten times three")
        await talk.say(Audio(question.samples[: len(question.samples) * 2 // 3], question.rate_hz))
        state = await talk.state(lambda state: heard(state) == "Fine." and state["phase"] == "idle")
        assert state["chat"][0]["text"]
