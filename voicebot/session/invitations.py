"""Who outside may have the bot say something in which conversation, and which conversations a person has taken over.

An invitation is for one conversation, and ends with it: when the user begins a new one, or has been away for `AWAY_S`.
It survives a reload of the page. Invitations are kept in memory, so none survives the end of the server.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from dataclasses import dataclass, field
from typing import Protocol

from voicebot.access.basic_auth import OPEN_FOLDER
from voicebot.access.rates import TOO_MANY_TEXTS, TokenBucket, text_rate
from voicebot.dialogue.history import Message
from voicebot.engines.conversation import HandedOverError, HandoverEnd, TooManyTextsError, UserAwayError

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

AWAY = "The user is not connected just now."
TAKEN = "This conversation has been handed over to a person already."


class SpokenSession(Protocol):
    """The session of a conversation, in which something can be said."""

    @property
    def conversation_key(self) -> str:
        """Identifies the conversation; see `Conversation.id`."""
        ...

    def say(self, text: str) -> None:
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

    def __init__(self) -> None:
        self.base_url = ""
        self._open: dict[str, _Invitation] = {}
        """The invitations by their capabilities, the oldest first."""
        self._speakers: dict[str, SpokenSession] = {}
        """The session of each conversation that has one."""
        self._ends: dict[str, asyncio.TimerHandle] = {}
        """When the invitations of a conversation without a session end."""

    def know(self, conversation: str) -> bool:
        """Returns whether this process has a session of the conversation or invitations to it."""
        return conversation in self._speakers or bool(self._of(conversation))

    # For tools and graphs ---------------------------------------------------------------------------------------------

    def say(self, conversation: str, text: str) -> None:
        """Has the session of the conversation say the text. Raises ConversationError."""
        self._speaker(conversation).say(text)

    def invite(self, conversation: str) -> str:
        """Returns the address of a new invitation. Raises ConversationError."""
        return self.url(self._invite(conversation))

    def hand_over(self, conversation: str) -> PersonHandover:
        """Hands the conversation over to the person who gets the new invitation. Raises ConversationError."""
        speaker = self._speaker(conversation)
        if any(each.handover is not None for each in self._of(conversation).values()):
            raise HandedOverError(TAKEN)
        capability = self._invite(conversation)
        handover = self._open[capability].handover = PersonHandover(self, capability)
        speaker.set_handed_over(to_person=True)
        return handover

    # For people and programs outside ----------------------------------------------------------------------------------

    def say_by(self, capability: str, text: str) -> None:
        """Has the bot say the text for somebody invited. Raises UnknownInvitationError and ConversationError."""
        invitation = self._open.get(capability)
        if invitation is None:
            raise UnknownInvitationError
        speaker = self._speaker(invitation.conversation)
        if not invitation.texts.take():
            raise TooManyTextsError(TOO_MANY_TEXTS)
        speaker.say(text)

    def withdraw(self, capability: str) -> None:
        """Ends an invitation, if there is such a one. If a person answers by it, the bot does so again."""
        self._end(capability, HandoverEnd.GIVEN_BACK)

    # For sessions -----------------------------------------------------------------------------------------------------

    def session_began(self, speaker: SpokenSession) -> None:
        """Connects the conversation with its new session. If a person answers in it, the session learns of it."""
        conversation = speaker.conversation_key
        self._speakers[conversation] = speaker
        if conversation in self._ends:
            self._ends.pop(conversation).cancel()
        if any(each.handover is not None for each in self._of(conversation).values()):
            speaker.set_handed_over(to_person=True)

    def session_ended(self, speaker: SpokenSession) -> None:
        """Notes that the user has left, unless a newer session goes on with the conversation."""
        conversation = speaker.conversation_key
        if self._speakers.get(conversation) is not speaker:
            return
        del self._speakers[conversation]
        if self._of(conversation):
            loop = asyncio.get_running_loop()
            self._ends[conversation] = loop.call_later(AWAY_S, self.end, conversation, HandoverEnd.LEFT)

    def note_message(self, conversation: str, message: Message) -> None:
        """Passes on what the user said or heard, if a person answers in the conversation."""
        for invitation in self._of(conversation).values():
            if invitation.handover is not None:
                invitation.handover.add(message)

    def end(self, conversation: str, reason: HandoverEnd) -> None:
        """Ends all invitations of a conversation."""
        if conversation in self._ends:
            self._ends.pop(conversation).cancel()
        for capability in self._of(conversation):
            self._end(capability, reason)

    def close(self) -> None:
        """Ends all invitations, as the server ends."""
        for conversation in {each.conversation for each in self._open.values()}:
            self.end(conversation, HandoverEnd.LEFT)

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
        self._speaker(conversation)
        there = self._of(conversation)
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
