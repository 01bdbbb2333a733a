"""Preferences that the user changes in a running session. They apply from the next turn on, not in the current one."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from tests.support.engines import ScriptedAgent, ScriptedStt, ToneTts
from tests.support.orchestrated import Session, idle, running
from voicebot.audio.sound import Audio
from voicebot.dialogue.events import PreferencesChanged, TextTyped
from voicebot.dialogue.preferences import Preferences, Sensitivity
from voicebot.dialogue.state import Phase
from voicebot.engines.protocols import DEFAULT_STYLE, Style

BEFORE = Style("en", persona="assistant")
"""The style of the bot before its user chooses another."""

CHOSEN = Preferences(persona="sales", language="de", voice="low", llm="scripted", sensitivity=Sensitivity.HARD)


@dataclass
class Log:
    """The styles of the requests that the engines served."""

    thought: list[Style] = field(default_factory=list)
    spoken: list[tuple[str, Style]] = field(default_factory=list)
    heard: list[Style] = field(default_factory=list)
    prepared: list[Style] = field(default_factory=list)
    listening: list[Style] = field(default_factory=list)
    """The styles of the recogniser sessions that are open."""
    opened: int = 0
    """The number of recogniser sessions that were opened."""


@dataclass
class Agent(ScriptedAgent):
    log: Log = field(default_factory=Log)

    async def reply(self, *arguments: Any, style: Style = DEFAULT_STYLE, **more: Any) -> AsyncGenerator[str]:
        self.log.thought.append(style)
        async for token in super().reply(*arguments, **more):
            yield token


@dataclass
class Tts(ToneTts):
    log: Log = field(default_factory=Log)

    def prepare(self, style: Style) -> None:
        self.log.prepared.append(style)

    async def synthesize(self, text: str, style: Style = DEFAULT_STYLE) -> AsyncGenerator[Audio]:
        self.log.spoken.append((text, style))
        async for piece in super().synthesize(text):
            yield piece


@dataclass
class Stt(ScriptedStt):
    log: Log = field(default_factory=Log)

    @asynccontextmanager
    async def session(self, style: Style = DEFAULT_STYLE) -> AsyncIterator[Stt]:
        session = replace(self, bytes_sent=0)  # the copy shares the scripts and the log
        self.log.listening.append(style)
        self.log.opened += 1
        try:
            yield session
        finally:
            self.log.listening.remove(style)

    async def transcribe(self, audio: Any) -> AsyncGenerator[Any]:
        self.log.heard += self.log.listening
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
        session.bot.mailbox.post(PreferencesChanged(CHOSEN))
        await session.until(lambda state: state.next_preferences == CHOSEN)
        session.playing.set()
        await session.until(idle)
        assert log.thought == [BEFORE]
        assert [style for _, style in log.spoken] == [DEFAULT_STYLE, DEFAULT_STYLE]
        await session.until(lambda state: state.preferences == CHOSEN)
        assert log.prepared == [Style("de", voice="low")], "a chosen voice must be prepared before it has to speak"

        session.say()
        await session.until(lambda state: state.last_reply == 2 and state.is_idle)
        assert log.heard == [Style("de")]
        assert log.thought == [BEFORE, Style("de", "sales", "scripted")]
        assert log.spoken[-1] == ("Ja.", Style("de", voice="low"))


async def test_the_recogniser_is_replaced_between_utterances_only_when_the_language_changes() -> None:
    async with talking([["one"], ["two"], ["three"]], [["A."], ["B."], ["C."]]) as (session, log):
        session.say()
        await session.until(lambda state: state.last_reply == 1 and state.is_idle)
        session.bot.mailbox.post(PreferencesChanged(Preferences(voice="low")))
        await session.until(lambda state: state.preferences.voice)
        assert log.listening == [DEFAULT_STYLE]
        assert log.opened == 1

        session.bot.mailbox.post(PreferencesChanged(Preferences(language="de")))
        session.say()
        await session.until(lambda state: state.last_reply == 2 and state.is_idle)
        assert log.listening == [Style("de")], "the session of the former language must be closed"
        session.bot.mailbox.post(PreferencesChanged(Preferences()))
        session.say()
        await session.until(lambda state: state.last_reply == 3 and state.is_idle)
        assert log.heard == [DEFAULT_STYLE, Style("de"), DEFAULT_STYLE]
        assert session.bot.speech_input.bytes_transcribed == 300, "the count covers all recogniser sessions"


async def test_choices_made_while_the_user_speaks_do_not_change_the_utterance_under_way() -> None:
    async with talking([["what time is it"]], [["Ten."]]) as (session, log):
        session.bot.mailbox.post(PreferencesChanged(CHOSEN))
        await session.until(lambda state: state.preferences == CHOSEN)
        session.say(0.2)
        await session.until(lambda state: state.phase is Phase.LISTENING or state.last_reply)
        session.bot.mailbox.post(PreferencesChanged(Preferences()))
        await session.until(lambda state: state.last_reply == 1 and state.is_idle)
        assert log.heard == [Style("de")]
        await session.until(lambda state: state.preferences == Preferences())
