"""Who outside may have the bot say something in which conversation, and which conversations a person has taken over.

An invitation is for one conversation, and ends with it: when the user begins a new one, or has been away for `AWAY_S`.
It survives a reload of the page. Invitations are kept in memory, so none survives the end of the process that made it.
Its conversation may go on in another worker.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

from voicebot.access.basic_auth import OPEN_FOLDER
from voicebot.access.rates import TOO_MANY_TEXTS, TokenBucket, text_rate
from voicebot.dialogue.history import Message
from voicebot.engines.conversation import HandedOverError, HandoverEnd, TooManyTextsError, UserAwayError
from voicebot.session.other_workers import AWAY, OtherWorkers, RemoteSession, Sender
from voicebot.workers.siblings import Siblings

CAPABILITY_BYTES = 24
CAPABILITY_PATTERN = r"[A-Za-z0-9_-]{32}"
"""192 bits, as many as in the name of a conversation."""

AWAY_S = 60.0
"""How long invitations outlive the last session of their conversation. A reload takes seconds, and the page goes on
trying to reconnect. It is not longer, so that a person does not go on writing to a user who has left."""

MAX_INVITATIONS = 8
"""How many invitations a conversation has at the same time. One more ends the oldest, unless a person answers by it."""

MAX_UNREAD = 100
"""How many messages of a handover wait to be read. Then the oldest is dropped."""

TAKEN = "This conversation has been handed over to a person already."


class SpokenSession(Protocol):
    """The session of a conversation, in which something can be said."""

    @property
    def conversation_key(self) -> str:
        """Identifies the conversation; see `Conversation.id`."""
        ...

    async def say(self, text: str) -> None:
        """Says the text as soon as nobody speaks. Raises ConversationError."""
        ...

    def set_handed_over(self, *, to_person: bool) -> None:
        """Lets a person answer from now on, or the bot."""
        ...


class UnknownInvitationError(Exception):
    """There is no such invitation, or it has ended."""


@dataclass(eq=False)
class _Invitation:
    conversation: str
    texts: TokenBucket = field(default_factory=text_rate)
    handover: PersonHandover | None = None


class Invitations:
    """The invitations of all conversations. `base_url` is the address of this server, as people outside know it."""

    def __init__(self, siblings: Siblings | None = None) -> None:
        self.base_url = ""
        self.others = OtherWorkers(siblings or Siblings(None))
        self._open: dict[str, _Invitation] = {}
        """The invitations by their capabilities, the oldest first."""
        self._speakers: dict[str, SpokenSession] = {}
        """The session of each conversation that has one."""
        self._ends: dict[str, asyncio.TimerHandle] = {}
        """When the invitations of a conversation without a session end."""
        self._persons: dict[str, Path] = {}
        """The siblings that have let a person into a conversation whose session is here."""
        self._checks: set[asyncio.Task[None]] = set()

    def know(self, conversation: str) -> bool:
        """Returns whether this process has a session of the conversation or invitations to it."""
        return self.has_session(conversation) or bool(self._of(conversation))

    def has_session(self, conversation: str) -> bool:
        """Returns whether a session of this process is in the conversation."""
        return self._session_here(conversation) is not None

    def has_person(self, conversation: str) -> bool:
        """Returns whether a person answers in the conversation, by an invitation of this process."""
        return any(each.handover is not None for each in self._of(conversation).values())

    # For tools and graphs ---------------------------------------------------------------------------------------------

    async def say(self, conversation: str, text: str) -> None:
        """Has the session of the conversation say the text. Raises ConversationError."""
        await self._speaker(conversation).say(text)

    def invite(self, conversation: str) -> str:
        """Returns the address of a new invitation. Raises ConversationError."""
        return self.url(self._invite(conversation))

    def hand_over(self, conversation: str) -> PersonHandover:
        """Hands the conversation over to the person who gets the new invitation. Raises ConversationError."""
        speaker = self._speaker(conversation)
        if conversation in self._persons or self.has_person(conversation):
            raise HandedOverError(TAKEN)
        capability = self._invite(conversation)
        handover = self._open[capability].handover = PersonHandover(self, capability)
        speaker.set_handed_over(to_person=True)
        return handover

    # For people and programs outside ----------------------------------------------------------------------------------

    async def say_by(self, capability: str, text: str) -> None:
        """Has the bot say the text for somebody invited. Raises UnknownInvitationError and ConversationError."""
        invitation = self._open.get(capability)
        if invitation is None:
            raise UnknownInvitationError
        speaker = self._speaker(invitation.conversation)
        if not invitation.texts.take():
            raise TooManyTextsError(TOO_MANY_TEXTS)
        await speaker.say(text)

    def withdraw(self, capability: str) -> bool:
        """Ends an invitation. If a person answers by it, the bot does so again. Returns False if there is none."""
        is_here = capability in self._open
        self._end(capability, HandoverEnd.GIVEN_BACK)
        return is_here

    # For sessions -----------------------------------------------------------------------------------------------------

    def session_began(self, speaker: SpokenSession) -> None:
        """Connects the conversation with its new session. If a person answers in it, the session learns of it."""
        conversation = speaker.conversation_key
        self._speakers[conversation] = speaker
        self._persons.pop(conversation, None)
        if conversation in self._ends:
            self._ends.pop(conversation).cancel()
        if not isinstance(speaker, RemoteSession):
            self.others.session_began(conversation)
        elif self._of(conversation):
            self._check_later(speaker)
        if self.has_person(conversation):
            speaker.set_handed_over(to_person=True)

    def session_ended(self, speaker: SpokenSession) -> None:
        """Notes that the user has left, unless a newer session goes on with the conversation."""
        conversation = speaker.conversation_key
        if self._speakers.get(conversation) is not speaker:
            return
        del self._speakers[conversation]
        self._persons.pop(conversation, None)
        if not isinstance(speaker, RemoteSession):
            self.others.session_ended(conversation)
        if self._of(conversation):
            loop = asyncio.get_running_loop()
            self._ends[conversation] = loop.call_later(AWAY_S, self.end, conversation, HandoverEnd.LEFT)

    def note_message(self, conversation: str, message: Message) -> None:
        """Passes on what the user said or heard, if a person answers in the conversation."""
        for invitation in self._of(conversation).values():
            if invitation.handover is not None:
                invitation.handover.add(message)
        if (sibling := self._persons.get(conversation)) is not None:
            self.others.pass_message(conversation, message, sibling, partial(self._lost, conversation, sibling))

    def clear(self, conversation: str) -> None:
        """Ends all invitations of a conversation that was cleared or deleted, in all workers."""
        self.end(conversation, HandoverEnd.CLEARED)
        self.others.cleared(conversation)

    def end(self, conversation: str, reason: HandoverEnd) -> None:
        """Ends all invitations of a conversation that this process has made."""
        if conversation in self._ends:
            self._ends.pop(conversation).cancel()
        for capability in self._of(conversation):
            self._end(capability, reason)

    async def close(self) -> None:
        """Ends all invitations, as the server ends."""
        for conversation in {each.conversation for each in self._open.values()}:
            self.end(conversation, HandoverEnd.LEFT)
        await self.others.close()
        for check in self._checks:
            check.cancel()

    # For other workers ------------------------------------------------------------------------------------------------

    async def say_here(self, conversation: str, text: str) -> None:
        """Has a session of this process say the text. Raises ConversationError."""
        if (session := self._session_here(conversation)) is None:
            raise UserAwayError(AWAY)
        await session.say(text)

    def remote_session_began(self, conversation: str, sender: Sender) -> None:
        """Notes that a session of a sibling goes on with the conversation."""
        for each in tuple(self._speakers.values()):
            if isinstance(each, RemoteSession) and not each.sibling.exists():
                self.session_ended(each)  # with its worker
        self.session_began(self.others.remote_session(conversation, sender))

    def remote_session_ended(self, conversation: str, sender: Sender) -> None:
        """Notes that the session of a sibling has ended."""
        speaker = self._speakers.get(conversation)
        if isinstance(speaker, RemoteSession) and speaker.sibling == self.others.socket_of(sender):
            self.session_ended(speaker)

    def set_remote_person(self, conversation: str, sender: Sender, *, answers: bool) -> None:
        """Lets a person whom a sibling has let in answer in a session of this process, or the bot again."""
        if (session := self._session_here(conversation)) is None:
            return
        if answers:
            self._persons[conversation] = self.others.socket_of(sender)
        else:
            self._persons.pop(conversation, None)
        session.set_handed_over(to_person=answers)

    def _lost(self, conversation: str, sibling: Path) -> None:
        """Lets the bot answer again, as the worker that has let the person in has died."""
        if self._persons.get(conversation) == sibling:
            del self._persons[conversation]
            if (session := self._session_here(conversation)) is not None:
                session.set_handed_over(to_person=False)

    def _check_later(self, speaker: RemoteSession) -> None:
        """Checks from time to time whether a remote session still lives, as long as there are invitations to it."""
        asyncio.get_running_loop().call_later(AWAY_S, self._begin_check, speaker)

    def _begin_check(self, speaker: RemoteSession) -> None:
        if self._speakers.get(speaker.conversation_key) is speaker and self._of(speaker.conversation_key):
            check = asyncio.create_task(self._check(speaker), name="check a session of another worker")
            self._checks.add(check)
            check.add_done_callback(self._checks.discard)

    async def _check(self, speaker: RemoteSession) -> None:
        if await speaker.lives():
            self._check_later(speaker)
        else:
            self.session_ended(speaker)

    def _session_here(self, conversation: str) -> SpokenSession | None:
        speaker = self._speakers.get(conversation)
        return None if isinstance(speaker, RemoteSession) else speaker

    def url(self, capability: str) -> str:
        return f"{self.base_url.rstrip('/')}{OPEN_FOLDER}{capability}"

    def _speaker(self, conversation: str) -> SpokenSession:
        speaker = self._speakers.get(conversation)
        if speaker is None:
            raise UserAwayError(AWAY)
        return speaker

    def _of(self, conversation: str) -> dict[str, _Invitation]:
        return {key: each for key, each in self._open.items() if each.conversation == conversation}

    def _invite(self, conversation: str) -> str:
        speaker = self._speaker(conversation)
        there = self._of(conversation)
        if isinstance(speaker, RemoteSession) and not there:
            self._check_later(speaker)
        if len(there) >= MAX_INVITATIONS:
            oldest = next(key for key, each in there.items() if each.handover is None)
            self._end(oldest, HandoverEnd.GIVEN_BACK)
        capability = secrets.token_urlsafe(CAPABILITY_BYTES)
        self._open[capability] = _Invitation(conversation)
        return capability

    def _end(self, capability: str, reason: HandoverEnd) -> None:
        invitation = self._open.pop(capability, None)
        if invitation is None or invitation.handover is None:
            return
        invitation.handover.close(reason)
        if (speaker := self._speakers.get(invitation.conversation)) is not None:
            speaker.set_handed_over(to_person=False)


class PersonHandover:
    """A conversation that a person has taken over; a `Handover`. One task at a time reads its messages."""

    def __init__(self, invitations: Invitations, capability: str) -> None:
        self._invitations, self._capability = invitations, capability
        self._messages: deque[Message] = deque(maxlen=MAX_UNREAD)
        self._changed = asyncio.Event()
        self._ended: HandoverEnd | None = None

    @property
    def say_url(self) -> str:
        return self._invitations.url(self._capability)

    @property
    def ended(self) -> HandoverEnd | None:
        return self._ended

    def __aiter__(self) -> PersonHandover:
        return self

    async def __anext__(self) -> Message:
        while not self._messages:
            if self._ended is not None:
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        return self._messages.popleft()

    def end(self) -> None:
        self._invitations.withdraw(self._capability)

    def add(self, message: Message) -> None:
        """Adds what the user said or heard."""
        self._messages.append(message)
        self._changed.set()

    def close(self, reason: HandoverEnd) -> None:
        """Ends the iteration after the messages that are there. Use `end` to give the conversation back."""
        self._ended = reason
        self._changed.set()
