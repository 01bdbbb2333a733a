"""A conversation for tools and graphs that only records what is asked of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from voicebot.dialogue.history import History, Message
from voicebot.engines.conversation import HandoverEnd


@dataclass
class NotedHandover:
    """Yields `messages`, and ends after them."""

    say_url: str = "https://bot.example/say/capability"
    messages: list[Message] = field(default_factory=list)
    ended: HandoverEnd | None = None

    async def __aiter__(self) -> AsyncIterator[Message]:
        for message in self.messages:
            yield message

    def end(self) -> None:
        self.ended = HandoverEnd.GIVEN_BACK


@dataclass
class NotedConversation:
    id: str = "talk-1"
    language: str = "en"
    persona: str = "assistant"
    history: History = ()
    said: list[str] = field(default_factory=list)
    handovers: list[NotedHandover] = field(default_factory=list)

    async def say(self, text: str) -> None:
        self.said.append(text)

    def say_from_thread(self, text: str) -> None:
        self.said.append(text)

    async def invite(self) -> str:
        return "https://bot.example/say/invited"

    async def hand_over(self) -> NotedHandover:
        self.handovers.append(handover := NotedHandover())
        return handover
