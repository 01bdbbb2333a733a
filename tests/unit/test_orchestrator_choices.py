"""A running session whose user chooses: from the next turn on, and never in the one that is under way."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from copy import copy
from dataclasses import dataclass, field
from typing import Any

from tests.support.engines import ScriptedAgent, ScriptedStt, ToneTts
from tests.support.orchestrated import Session, idle, running
from voicebot.core.audio import Audio
from voicebot.core.choices import Choices, Sensitivity
from voicebot.core.events import ChoicesMade, TextTyped
from voicebot.core.state import Phase
from voicebot.engines.base import Manner

CHOSEN = Choices(persona="sales", language="de", voice="low", llm="scripted", sensitivity=Sensitivity.HARD)


@dataclass
class Log:
    """What was done in which manner; None: as the server has it."""

    thought: list[Manner | None] = field(default_factory=list)
    spoken: list[tuple[str, Manner | None]] = field(default_factory=list)
    heard: list[Manner | None] = field(default_factory=list)
    listening: list[Manner | None] = field(default_factory=list)
    """The recognisers that are open."""


class Mannered:
    """A scripted engine that says in which manner it works."""

    log: Log
    manner: Manner | None = None

    def adapted(self, manner: Manner) -> Any:
        engine = copy(self)
        engine.manner = manner
        return engine


@dataclass
class Agent(Mannered, ScriptedAgent):
    log: Log = field(default_factory=Log)

    async def reply(self, *arguments: Any, **more: Any) -> AsyncGenerator[str]:
        self.log.thought.append(self.manner)
        async for token in super().reply(*arguments, **more):
            yield token


@dataclass
class Tts(Mannered, ToneTts):
    log: Log = field(default_factory=Log)

    async def synthesize(self, text: str) -> AsyncGenerator[Audio]:
        self.log.spoken.append((text, self.manner))
        async for piece in super().synthesize(text):
            yield piece


@dataclass
class Stt(Mannered, ScriptedStt):
    log: Log = field(default_factory=Log)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Stt]:
        self.log.listening.append(self.manner)
        self.bytes_sent = 0
        try:
            yield self
        finally:
            self.log.listening.remove(self.manner)

    async def transcribe(self, audio: Any) -> AsyncGenerator[Any]:
        self.log.heard.append(self.manner)
        self.bytes_sent += 100
        async for transcript in super().transcribe(audio):
            yield transcript


@asynccontextmanager
async def talking(hears: list[Any], thinks: list[Any]) -> AsyncIterator[tuple[Session, Log]]:
    log = Log()
    engines = Stt(scripts=hears, log=log), Agent(scripts=thinks, log=log), Tts(log=log)
    async with running(engines=engines) as session:
        yield session, log
    assert log.listening == []


async def test_new_choices_apply_to_the_next_turn_and_not_to_the_reply_under_way() -> None:
    async with talking([["und jetzt"]], [["One sentence here. ", "And another one."], ["Ja."]]) as (session, log):
        session.playing.clear()
        session.bot.mailbox.post(TextTyped("hello"))
        await session.until(lambda state: state.reply and state.reply.sentences)
        session.bot.mailbox.post(ChoicesMade(CHOSEN))
        await session.until(lambda state: state.chosen == CHOSEN)
        session.playing.set()
        await session.until(idle)
        assert log.thought == [None]
        assert [manner for _, manner in log.spoken] == [None, None]
        await session.until(lambda state: state.choices == CHOSEN)

        session.say()
        await session.until(lambda state: state.last_reply == 2 and state.is_idle)
        thinks, speaks = Manner("de", "sales", "scripted"), Manner("de", voice="low")
        assert log.heard == [Manner("de")]
        assert log.thought == [None, thinks]
        assert log.spoken[-1] == ("Ja.", speaks)


async def test_the_recogniser_is_replaced_between_utterances_only_when_the_language_changes() -> None:
    async with talking([["one"], ["two"], ["three"]], [["A."], ["B."], ["C."]]) as (session, log):
        session.say()
        await session.until(lambda state: state.last_reply == 1 and state.is_idle)
        session.bot.mailbox.post(ChoicesMade(Choices(voice="low")))
        await session.until(lambda state: state.choices.voice)
        assert log.listening == [None]

        session.bot.mailbox.post(ChoicesMade(Choices(language="de")))
        session.say()
        await session.until(lambda state: state.last_reply == 2 and state.is_idle)
        assert log.listening == [Manner("de")], "the one before was let go"
        session.bot.mailbox.post(ChoicesMade(Choices()))
        session.say()
        await session.until(lambda state: state.last_reply == 3 and state.is_idle)
        assert log.heard == [None, Manner("de"), Manner("en")]
        assert session.bot.ears.bytes_transcribed == 300, "what all of them were given"


async def test_choices_made_while_the_user_speaks_do_not_change_the_utterance_under_way() -> None:
    async with talking([["what time is it"]], [["Ten."]]) as (session, log):
        session.bot.mailbox.post(ChoicesMade(CHOSEN))
        await session.until(lambda state: state.choices == CHOSEN)
        session.say(0.2)
        await session.until(lambda state: state.phase is Phase.LISTENING or state.last_reply)
        session.bot.mailbox.post(ChoicesMade(Choices()))
        await session.until(lambda state: state.last_reply == 1 and state.is_idle)
        assert log.heard == [Manner("de")]
        await session.until(lambda state: state.choices == Choices())
