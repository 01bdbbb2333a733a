"""Push-to-talk over WebRTC: real speech, a real detector and recogniser, a scripted agent."""

from __future__ import annotations

from typing import Any

from tests.realtime.test_turn_taking import FULL_STORY, STORY, Talk, check_story_finished, heard, said, talking
from tests.support.speech import spoken
from tests.support.understanding import words
from voicebot.audio.sound import WIRE_RATE_HZ, Audio

Json = dict[str, Any]

PAUSE = Audio.silence(2.0, WIRE_RATE_HZ)


def switch(talk: Talk, *, on: bool) -> None:
    talk.client.send({"type": "configure", "push_to_talk": on})


def press(talk: Talk, *, pressed: bool = True) -> None:
    talk.client.send({"type": "talk", "pressed": pressed})


def newest(talk: Talk) -> Json:
    """Returns the newest state."""
    return next(message for message in reversed(talk.client.messages) if message["type"] == "state")


async def test_a_turn_with_a_pause_of_two_seconds_ends_when_the_button_is_let_go() -> None:
    async with talking(*[["Half past eight."]] * 3) as talk:  # a preemptive reply may be begun again
        switch(talk, on=True)
        await talk.say(spoken("what is ten times three"), PAUSE)
        assert not any(message.get("chat") for message in talk.client.messages), "it was heard without the button"
        press(talk)
        await talk.say(spoken("what time is it"), PAUSE, spoken("in tokyo"))
        assert newest(talk)["phase"] == "listening"
        press(talk, pressed=False)
        state = await talk.state(lambda state: "Half" in heard(state))
        assert [words(text) for text in said(state)] == [words("what time is it in tokyo")]
        assert state["ended_by"] == "button: you let go"
        (end_of_turn,) = (step for step in state["turn"] if step["name"] == "end of turn")
        assert end_of_turn["to_ms"] < 600, "the turn must end soon after the last word, as the button was let go then"


async def test_a_press_pauses_the_reply_at_once_and_without_words_it_goes_on_to_its_end() -> None:
    async with talking(STORY) as talk:
        switch(talk, on=True)
        await talk.start_story()
        press(talk)
        paused = await talk.state(lambda state: state["phase"] == "paused", 2)
        await talk.say(PAUSE, PAUSE)
        assert newest(talk)["phase"] == "paused"
        assert heard(newest(talk)) == heard(paused)
        press(talk, pressed=False)
        await talk.state(lambda state: state["phase"] == "speaking", 2)
        check_story_finished(await talk.wait_until_idle())


async def test_a_press_with_words_interrupts_the_reply_and_speech_without_the_button_does_not() -> None:
    async with talking(STORY, ["Thirty it is."]) as talk:
        switch(talk, on=True)
        await talk.start_story(3)
        await talk.say(spoken("what is ten times three"))
        press(talk)
        await talk.say(spoken("what is ten times three"))
        press(talk, pressed=False)
        state = await talk.state(lambda state: "Thirty it is" in heard(state) and state["phase"] == "idle")
        story, question, _ = state["chat"][-3:]
        assert story["interrupted"]
        assert FULL_STORY.startswith(story["heard"])
        assert words(question["text"]) == words("what is ten times three")
        assert len(state["verdicts"]) == 1, "speech without the button must not even be judged"


async def test_a_bot_that_is_no_longer_to_be_held_hears_at_once_again() -> None:
    async with talking(["Thirty it is."]) as talk:
        switch(talk, on=True)
        press(talk)
        switch(talk, on=False)
        await talk.say(spoken("what is ten times three"))
        state = await talk.state(lambda state: "Thirty it is" in heard(state))
        assert words(said(state)[0]) == words("what is ten times three")


async def test_a_press_without_push_to_talk_gets_an_error_over_the_data_channel() -> None:
    async with talking() as talk:
        press(talk)
        error = await talk.client.wait_for_message(lambda message: message["type"] == "error")
        assert "talk: push-to-talk is off" in error["message"]
