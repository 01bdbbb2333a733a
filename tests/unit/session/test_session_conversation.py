"""The conversation of a session, as its tools and graphs see it."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.unit.session.test_invitations import NotedSpeaker
from voicebot.dialogue.history import Message, Role
from voicebot.engines.conversation import ConversationError, TextError, UserAwayError
from voicebot.engines.protocols import Style
from voicebot.session.conversation import SessionConversation, conversation_key
from voicebot.session.invitations import Invitations

HISTORY = (Message(Role.USER, "hi"),)


def conversation(*, wanted: bool = True) -> tuple[SessionConversation, NotedSpeaker, asyncio.Event]:
    invitations, speaker, event = Invitations(), NotedSpeaker(), asyncio.Event()
    invitations.session_began(speaker)
    if wanted:
        event.set()
    style = Style("de", persona="captain")
    return SessionConversation("ann", HISTORY, style, event, invitations, 20), speaker, event


async def test_it_tells_whose_it_is_and_what_was_said() -> None:
    talk, _, _ = conversation()
    assert (talk.id, talk.language, talk.persona, talk.history) == ("ann", "de", "captain", HISTORY)


async def test_nothing_has_effects_before_the_reply_is_wanted() -> None:
    talk, speaker, wanted = conversation(wanted=False)
    asked = [asyncio.ensure_future(each) for each in (talk.say("hello"), talk.invite(), talk.hand_over())]
    await asyncio.sleep(0)
    with pytest.raises(ConversationError, match="not over yet"):
        await asyncio.to_thread(talk.say_from_thread, "hello")
    assert (speaker.texts, speaker.handed_over) == ([], [])
    wanted.set()
    await asyncio.gather(*asked)
    assert (speaker.texts, speaker.handed_over) == (["hello"], [True])


async def test_a_discarded_reply_says_nothing() -> None:
    talk, speaker, wanted = conversation(wanted=False)
    saying = asyncio.ensure_future(talk.say("hello"))
    await asyncio.sleep(0)
    saying.cancel()
    wanted.set()
    await asyncio.wait([saying])
    assert speaker.texts == []


async def test_a_conversation_kept_from_a_discarded_reply_refuses_whatever_is_asked_of_it() -> None:
    talk, speaker, _ = conversation(wanted=False)
    kept = asyncio.ensure_future(talk.say("hello"))
    await asyncio.sleep(0)
    talk.reply_ended()
    for each in (kept, talk.say("hello"), talk.invite(), talk.hand_over()):
        with pytest.raises(ConversationError, match="discarded"):
            await asyncio.wait_for(each, 1)
    with pytest.raises(ConversationError, match="discarded"):
        await asyncio.to_thread(talk.say_from_thread, "hello")
    assert (speaker.texts, speaker.handed_over) == ([], [])


async def test_a_conversation_kept_from_a_reply_that_was_wanted_goes_on_after_it() -> None:
    talk, speaker, _ = conversation()
    talk.reply_ended()
    await talk.say("hello")
    assert speaker.texts == ["hello"]


async def test_a_thread_can_say_something_and_learns_what_is_wrong() -> None:
    talk, speaker, _ = conversation()
    await asyncio.to_thread(talk.say_from_thread, "hello")
    assert speaker.texts == ["hello"]
    with pytest.raises(TextError):
        await asyncio.to_thread(talk.say_from_thread, " ")
    with pytest.raises(RuntimeError, match="await `say`"):
        talk.say_from_thread("hello")


async def test_half_a_character_is_not_said() -> None:
    talk, speaker, _ = conversation()
    await talk.say(json.loads('"half \\ud83d here"'))
    assert speaker.texts == ["half ? here"]


@pytest.mark.parametrize("text", ["", "  ", "x" * 21])
async def test_a_text_that_cannot_be_said_is_refused_at_once(text: str) -> None:
    talk, speaker, _ = conversation(wanted=False)
    with pytest.raises(TextError):
        await talk.say(text)
    assert speaker.texts == []


async def test_it_outlives_its_session_and_finds_the_next_one() -> None:
    invitations, before = Invitations(), NotedSpeaker()
    wanted = asyncio.Event()
    wanted.set()
    talk = SessionConversation("ann", HISTORY, Style(), wanted, invitations, 20)
    with pytest.raises(UserAwayError):
        await talk.say("hello")
    invitations.session_began(before)
    invitations.session_ended(before)
    invitations.session_began(after := NotedSpeaker())
    await talk.say("hello")
    assert after.texts == ["hello"]


def test_the_id_reveals_nothing_of_the_secret_name() -> None:
    name = "A" * 32
    assert conversation_key(name) == conversation_key(name) != conversation_key("B" * 32)
    assert name not in conversation_key(name)
