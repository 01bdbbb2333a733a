"""Invitations: whom they let in, when they end, and what a person who has taken over learns of the conversation."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from voicebot.dialogue.history import Message, Role
from voicebot.engines.conversation import HandedOverError, HandoverEnd, TooManyTextsError, UserAwayError
from voicebot.runtime import limits
from voicebot.session import invitations as module
from voicebot.session.invitations import MAX_INVITATIONS, MAX_UNREAD, Invitations, UnknownInvitationError

HELLO = Message(Role.USER, "hello")


@dataclass
class NotedSpeaker:
    """Records what it shall say, and whether a person answers."""

    conversation_key: str = "ann"
    texts: list[str] = field(default_factory=list)
    handed_over: list[bool] = field(default_factory=list)

    async def say(self, text: str) -> None:
        self.texts.append(text)

    def set_handed_over(self, *, to_person: bool) -> None:
        self.handed_over.append(to_person)


def here() -> tuple[Invitations, NotedSpeaker]:
    """Returns invitations and the session of the conversation `ann`."""
    invitations, speaker = Invitations(), NotedSpeaker()
    invitations.base_url = "https://bot.example/bot/"
    invitations.session_began(speaker)
    return invitations, speaker


def capability(url: str) -> str:
    address, _, found = url.rpartition("/")
    assert address == "https://bot.example/bot/say"
    return found


async def is_unknown(invitations: Invitations, url: str) -> None:
    """Checks that the invitation looks as if it had never been."""
    with pytest.raises(UnknownInvitationError):
        await invitations.say_by(capability(url), "hello")


async def test_an_invitation_lets_its_owner_speak_in_one_conversation() -> None:
    invitations, ann = here()
    bob = NotedSpeaker("bob")
    invitations.session_began(bob)
    await invitations.say_by(capability(invitations.invite("ann")), "hello Ann")
    assert (ann.texts, bob.texts) == (["hello Ann"], [])
    assert ann.handed_over == []


async def test_invitations_differ_and_a_wrong_one_is_unknown() -> None:
    invitations, _ = here()
    urls = {invitations.invite("ann") for _ in range(5)}
    assert len(urls) == 5
    assert all(len(capability(url)) == 32 for url in urls)
    for wrong in ("", "x", "A" * 32, "ann"):
        with pytest.raises(UnknownInvitationError):
            await invitations.say_by(wrong, "hello")


async def test_an_invitation_that_was_withdrawn_is_unknown() -> None:
    invitations, ann = here()
    url = invitations.invite("ann")
    invitations.withdraw(capability(url))
    await is_unknown(invitations, url)
    assert ann.handed_over == []


async def test_an_invitation_outlives_a_reload_and_reaches_the_new_session() -> None:
    invitations, before = here()
    url = invitations.invite("ann")
    invitations.session_ended(before)
    with pytest.raises(UserAwayError):
        await invitations.say_by(capability(url), "hello")
    after = NotedSpeaker()
    invitations.session_began(after)
    await invitations.say_by(capability(url), "hello again")
    assert (before.texts, after.texts) == ([], ["hello again"])


async def test_a_session_that_takes_a_conversation_over_keeps_its_invitations() -> None:
    invitations, before = here()
    url = invitations.invite("ann")
    after = NotedSpeaker()
    invitations.session_began(after)
    invitations.session_ended(before)
    await invitations.say_by(capability(url), "hello")
    assert after.texts == ["hello"]


async def test_invitations_end_when_the_user_stays_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AWAY_S", 0.0)
    invitations, speaker = here()
    url, handover = invitations.invite("ann"), invitations.hand_over("ann")
    invitations.session_ended(speaker)
    assert [message async for message in handover] == []
    assert handover.ended is HandoverEnd.LEFT
    await is_unknown(invitations, url)
    await is_unknown(invitations, handover.say_url)


async def test_a_user_who_comes_back_in_time_keeps_the_person(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AWAY_S", 0.0)
    invitations, before = here()
    handover = invitations.hand_over("ann")
    invitations.session_ended(before)
    after = NotedSpeaker()
    invitations.session_began(after)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert handover.ended is None
    assert after.handed_over == [True]


async def test_nobody_is_invited_where_no_user_is() -> None:
    invitations, speaker = here()
    invitations.session_ended(speaker)
    for invite in (invitations.invite, invitations.hand_over):
        with pytest.raises(UserAwayError):
            invite("ann")
    with pytest.raises(UserAwayError):
        await invitations.say("ann", "hello")


async def test_each_invitation_has_the_rate_of_a_user_who_types() -> None:
    invitations, speaker = here()
    one, other = (capability(invitations.invite("ann")) for _ in range(2))
    for _ in range(limits.TEXTS_AT_ONCE):
        await invitations.say_by(one, "hello")
    with pytest.raises(TooManyTextsError):
        await invitations.say_by(one, "hello")
    await invitations.say_by(other, "hello")
    assert len(speaker.texts) == limits.TEXTS_AT_ONCE + 1


async def test_one_invitation_too_many_ends_the_oldest_but_never_the_handover() -> None:
    invitations, _ = here()
    handover = invitations.hand_over("ann")
    first, *others = [invitations.invite("ann") for _ in range(MAX_INVITATIONS)]
    await is_unknown(invitations, first)
    for url in (handover.say_url, *others):
        await invitations.say_by(capability(url), "hello")


async def test_a_handover_tells_the_session_and_ends_with_it_given_back() -> None:
    invitations, speaker = here()
    handover = invitations.hand_over("ann")
    with pytest.raises(HandedOverError):
        invitations.hand_over("ann")
    await invitations.say_by(capability(handover.say_url), "this is Mia")
    handover.end()
    assert speaker.texts == ["this is Mia"]
    assert speaker.handed_over == [True, False]
    assert handover.ended is HandoverEnd.GIVEN_BACK
    await is_unknown(invitations, handover.say_url)
    assert invitations.hand_over("ann").say_url != handover.say_url


async def test_a_handover_yields_what_is_said_and_heard_until_its_end() -> None:
    invitations, _ = here()
    handover = invitations.hand_over("ann")
    invitations.note_message("bob", Message(Role.USER, "not for Ann"))
    invitations.note_message("ann", HELLO)
    assert await anext(handover) == HELLO
    waiting = asyncio.ensure_future(anext(handover))
    await asyncio.sleep(0)
    invitations.note_message("ann", Message(Role.ASSISTANT, "this is Mia"))
    assert await waiting == Message(Role.ASSISTANT, "this is Mia")
    invitations.note_message("ann", HELLO)
    invitations.end("ann", HandoverEnd.CLEARED)
    assert [message async for message in handover] == [HELLO]
    assert handover.ended is HandoverEnd.CLEARED


async def test_messages_that_nobody_reads_are_dropped() -> None:
    invitations, _ = here()
    handover = invitations.hand_over("ann")
    for number in range(MAX_UNREAD + 1):
        invitations.note_message("ann", Message(Role.USER, str(number)))
    assert (await anext(handover)).text == "1"


async def test_a_closed_server_ends_every_handover() -> None:
    invitations, speaker = here()
    left, stays = invitations.hand_over("ann"), NotedSpeaker("bob")
    invitations.session_began(stays)
    there = invitations.hand_over("bob")
    invitations.session_ended(speaker)
    await invitations.close()
    assert (left.ended, there.ended) == (HandoverEnd.LEFT, HandoverEnd.LEFT)
