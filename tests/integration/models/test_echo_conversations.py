"""Whole conversations with a bot whose voice comes back from a loudspeaker: real engines on a simulated clock."""

from __future__ import annotations

import pytest

from tests.support.open_loudspeaker import Conversation, Sentence, room, said_by
from tests.support.speech import spoken
from tests.support.understanding import words
from voicebot.dialogue.interruption.verdict import Decision

# The tests share fixtures that take seconds to make, so they run in one worker.
pytestmark = pytest.mark.xdist_group("echo conversations")

STORY = (
    "Once upon a time there was a young captain who lived in a small white house above the harbour.",
    "Every morning she looked at the ships and wondered where they had come from.",
)
SHOP = (
    "Our shop opens at nine in the morning on weekdays.",
    "On Saturdays we are here from ten to four, and on Sundays we are closed.",
)
RULES = ("No, you can not do that.", "Stop at the next corner, wait for the green light, and then walk on.")
QUESTION = "what is ten times three"


@pytest.mark.parametrize(
    ("response", "level_db", "voice"),
    [
        ("rir1.flac", -6, "hibari"),
        ("rir2.flac", -6, "slt"),
        ("1.2 5", -6, "hibari"),
        ("0.3 5", -10, "awb"),
    ],
)
def test_the_bot_is_not_interrupted_by_its_own_voice(response: str, level_db: float, voice: str) -> None:
    replies = said_by(voice, SHOP), said_by(voice, RULES)
    talk = Conversation(*replies, response=room(response), level_db=level_db, jitter_frames=4)
    for number, reply in enumerate(replies):
        talk.type(f"question {number}")
        talk.until_idle()
        not_interrupted(talk, reply)
    assert len(talk.said) == len(replies)


def not_interrupted(talk: Conversation, reply: list[Sentence]) -> None:
    assert [record.verdict for record in talk.state.verdicts if record.verdict.decision is Decision.REGENERATE] == []
    assert talk.heard == " ".join(sentence.text for sentence in reply)


@pytest.mark.parametrize(
    ("response", "level_db", "later_s"),
    [("rir1.flac", -14, 0.02), ("rir2.flac", -14, -0.02), ("0.3 5", -10, 0.04), ("rir2.flac", -20, 0.1)],
)
def test_the_bot_is_not_interrupted_when_the_delay_of_its_echo_changes(
    response: str, level_db: float, later_s: float
) -> None:
    """This happens when a jitter buffer grows: for a moment the echo does not match the expected one."""
    story = said_by("awb", STORY)
    talk = Conversation(story, response=room(response), level_db=level_db, jitter_frames=5)
    talk.type("tell me a story")
    talk.until(lambda: len(talk.heard.split()) >= 10)
    talk.delay_bot(later_s)
    talk.until_idle()
    not_interrupted(talk, story)


@pytest.mark.parametrize(
    ("response", "level_db", "voice"),
    [("rir1.flac", -10, "hibari"), ("rir2.flac", -6, "awb"), ("0.3 5", -14, "hibari")],
)
def test_a_question_over_the_echo_interrupts_the_bot_and_is_transcribed_in_full(
    response: str, level_db: float, voice: str
) -> None:
    answer = [Sentence("Thirty.", spoken("thirty", "awb"))]
    talk = Conversation(said_by(voice, STORY), answer, response=room(response), level_db=level_db)
    talk.type("tell me a story")
    talk.until(lambda: len(talk.heard.split()) >= 10)
    talk.say(spoken(QUESTION))
    talk.until(lambda: len(talk.said) > 1)
    assert words(talk.said[1]) == words(QUESTION)
    assert talk.state.verdicts[-1].verdict.decision is Decision.REGENERATE


@pytest.mark.parametrize("text", ["stop", "what time is it"])
def test_a_user_with_headphones_can_interrupt_the_first_reply_of_a_session(text: str) -> None:
    """Headphones return no echo, but the bot cannot know that yet."""
    answer = [Sentence("Yes?", spoken("yes", "awb"))]
    talk = Conversation(said_by("hibari", STORY), answer, response=room("0.3 5"), level_db=-120)
    talk.type("tell me a story")
    talk.until(lambda: talk.state.reply is not None and talk.state.reply.started)
    talk.say(spoken(text))
    talk.until(lambda: talk.state.verdicts)
    assert talk.state.verdicts[0].verdict.decision is Decision.REGENERATE
    assert words(talk.state.verdicts[0].verdict.text) == words(text)


def test_a_bot_whose_voice_does_not_echo_pauses_at_the_users_first_syllable() -> None:
    talk = Conversation(said_by("hibari", STORY), response=room("0.3 5"), level_db=-120)
    talk.type("tell me a story")
    talk.until(lambda: len(talk.heard.split()) >= 8)
    talk.say(spoken(QUESTION))
    began_s = talk.now_s
    talk.until(lambda: talk.pauses)
    assert talk.now_s - began_s < 0.4, "this includes 0.2 s for the silence before the words and the network"


def test_a_question_over_a_replys_start_is_transcribed_in_full_after_an_earlier_reply() -> None:
    answer = [Sentence("Thirty.", spoken("thirty", "awb"))]
    replies = said_by("awb", SHOP), said_by("awb", STORY), answer
    talk = Conversation(*replies, response=room("rir2.flac"), level_db=-6)
    talk.type("when are you open")
    talk.until_idle()
    talk.type("tell me a story")
    talk.until(lambda: talk.heard == "Once upon")
    talk.say(spoken(QUESTION))
    talk.until(lambda: len(talk.said) > 2)
    assert words(talk.said[2]) == words(QUESTION)
