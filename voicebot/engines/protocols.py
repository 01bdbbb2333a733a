"""What every engine of a stage offers, and how it says that it failed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from voicebot.audio.sound import Audio
from voicebot.dialogue.history import History
from voicebot.dialogue.preferences import Preferences


@dataclass(frozen=True, slots=True)
class Pause:
    """A mark in the sound of an utterance: the speaker has fallen silent, and may speak on. Numbered from 1 upwards."""

    number: int


@dataclass(frozen=True, slots=True)
class Transcript:
    """The words of one utterance so far; `final` once they will not change any more.

    `confidence` is 0 to 1, None where the engine has none. `pause` is the number of the pause this answers: no word
    said before it is missing, and it is what the final would be if nothing followed. `turn_over`: the engine itself
    hears from how it was said that the speaker is done. `backchannel` is what else a short sound may have been: a
    listener's word or hum that is less likely in general, but not from somebody who listens to the bot.
    """

    text: str
    final: bool
    confidence: float | None = None
    pause: int | None = None
    turn_over: bool = False
    backchannel: str = ""


@dataclass(frozen=True, slots=True)
class WordStarts:
    """When the words of a text begin in its sound, in seconds from its start: one for each word, split at spaces."""

    starts_s: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class EngineSelected:
    """Which engine of several does the work at hand, and why none before it does. Only `fallback` yields it.

    An answer starts over with it: what another engine, or an earlier try, has given of the answer before is void.
    """

    engine: str
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RestOfSentence:
    """The voice broke off: the sound that follows says the rest of the text. Only `fallback` yields it.

    `word` is the index of the first word that follows, of `words` (split at spaces) that the whole text has.
    """

    word: int
    words: int


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """How an engine does: why it is not ready, or why it failed last, and how long its last probe took.

    `model` is the one of a service's models that is used; `warning` says that it will not be for much longer, or what
    else a visitor should know of the engine.
    """

    name: str
    ready: bool
    reason: str | None = None
    probe_ms: int | None = None
    model: str | None = None
    warning: str | None = None


@dataclass(frozen=True, slots=True)
class Style:
    """How one request is to be served. Engines are shared by all sessions, so every request carries its own style.

    `language` is a two-letter code. `engine` names the engine that is tried first. `voice` is a voice of that engine,
    or of the first engine if none is named. For an empty field the server chooses.
    """

    language: str = "en"
    persona: str = ""
    engine: str = ""
    voice: str = ""


USUAL = Style()
"""English, and the server chooses everything else."""


@dataclass(frozen=True, slots=True)
class Styles:
    """The styles of one session's requests: one for each stage."""

    stt: Style
    llm: Style
    tts: Style

    @classmethod
    def of(cls, preferences: Preferences) -> Styles:
        """Returns the styles that serve a session with these preferences."""
        language = preferences.language
        return cls(
            stt=Style(language, engine=preferences.stt),
            llm=Style(language, engine=preferences.llm, persona=preferences.persona),
            tts=Style(language, engine=preferences.tts, voice=preferences.voice),
        )


class Engine(Protocol):
    """What all stages share. Constructors open nothing; `start` does, `close` frees it, and both may come twice."""

    @property
    def name(self) -> str: ...

    @property
    def languages(self) -> frozenset[str]:
        """The two-letter codes it can work in."""
        ...

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def probe(self, style: Style) -> None:
        """Find out with as little as possible whether it can work now: is the key valid, the service there?

        A probe that has to name a language takes the style's. Comes after `start`. Raises EngineError if it can't work.
        """
        ...


@runtime_checkable
class CanPrepare(Protocol):
    """A synthesiser that can fetch what a style needs before the first request in that style."""

    def prepare(self, style: Style) -> None:
        """Starts to fetch it in the background, for instance a voice that is not on this machine. Returns at once."""
        ...


@runtime_checkable
class HasVoices(Protocol):
    """A synthesiser with several voices."""

    def voices(self, language: str) -> dict[str, str]:
        """Those it has beside its usual one, with a name for people."""
        ...


@runtime_checkable
class HasNote(Protocol):
    """An engine that may have something to tell visitors of itself."""

    @property
    def note(self) -> str | None:
        """What a visitor should know now, such as that a voice is being downloaded; None if there is nothing."""
        ...


@runtime_checkable
class HasModels(Protocol):
    """An engine that uses one of several models of its service, and finds out by a probe which."""

    @property
    def model(self) -> str | None:
        """The one it uses; None for an engine without a service."""
        ...

    @property
    def warning(self) -> str | None:
        """What an operator should know of that model."""
        ...

    @property
    def listed(self) -> tuple[str, ...]:
        """The models that the service has, by the last probe; empty before one."""
        ...


@runtime_checkable
class SlowToStart(Protocol):
    """An engine whose first output may take longer than a service's, such as a model on a slow machine."""

    @property
    def first_output_s(self) -> float:
        """How long it may take; 0: as long as for every other engine."""
        ...


class Transcriber(Protocol):
    """The recogniser of one session: what it keeps open it keeps for that session alone."""

    @property
    def bytes_sent(self) -> int:
        """How much sound the recogniser was given since the session began."""
        ...

    def transcribe(self, audio: AsyncIterable[Audio | Pause]) -> AsyncGenerator[Transcript | EngineSelected]:
        """One utterance, as it is spoken (16 kHz pieces): partials, then exactly one final. Raises EngineError.

        At a pause an engine that can tells at once what was said so far; one that can't passes over it, as it may
        over a pause that has ended meanwhile. The final's text is empty if there were no words. Closing the
        generator gives the utterance up. Utterances may overlap: the next may begin before this one's final has come.
        """
        ...


class SpeechToText(Engine, Protocol):
    def session(self, style: Style) -> AbstractAsyncContextManager[Transcriber]:
        """A transcriber of the style's language for one session. Entering it returns at once and raises nothing.

        What takes time (a connection) is opened behind it, ahead of the first word, and gone when it is left.
        """
        ...


class OutputDeadline:
    """The time by which an engine's next output must come. This one never passes: nobody else waits to take over."""

    def suspend(self) -> None:
        """An output that does not come is no failure now: a tool works, or waits to be wanted."""

    def restart(self) -> None:
        """It may be a failure again, which it never is after effects outside.

        This is also a sign of life, from which on the wait for the next output counts: a model that reasons has not
        stalled.
        """


NO_DEADLINE = OutputDeadline()


class Agent(Engine, Protocol):
    def reply(
        self,
        history: History,
        wanted: asyncio.Event,
        deadline: OutputDeadline = NO_DEADLINE,
        *,
        style: Style,
        stands_in: bool = False,
        stood_in: str = "",
        spoken: asyncio.Event | None = None,
    ) -> AsyncGenerator[str | EngineSelected]:
        """The answer to the history's last message, token by token, as the style's persona. Raises EngineError.

        Until it is `wanted` the answer may be thrown away: what has effects outside must wait for that. The agent
        suspends the `deadline` while a tool works. Closing the generator cancels the request.

        The caller sets `spoken` when it gives the first sentence of the answer to the synthesiser. Until then an
        answer that stalls or breaks off may start over, with another `EngineSelected`; without the event it never does.

        With `stands_in` the engine answers in the place of others that failed. `stood_in` is the engine of the last
        answer that the user heard, if that one did so.
        """
        ...


class TextToSpeech(Engine, Protocol):
    def synthesize(
        self, text: str, style: Style
    ) -> AsyncGenerator[Audio | WordStarts | EngineSelected | RestOfSentence]:
        """One sentence in the style's voice, in pieces as they are made, at one rate. Raises EngineError.

        An engine that knows when its words begin may yield `WordStarts` once, at any point. After `RestOfSentence` both
        the rate and the word starts are those of the rest of the text. Closing the generator stops the work.
        """
        ...


class VoiceActivityDetector(Protocol):
    """Listens to one stream; not shared between sessions."""

    @property
    def window_samples(self) -> int:
        """How many 16 kHz samples it takes at a time."""
        ...

    def probability(self, window: npt.NDArray[np.int16]) -> float:
        """How likely this window is speech, 0 to 1. `window`: int16 of shape (window_samples,)."""
        ...

    def reset(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Engines:
    """One engine for each stage, shared by all sessions; a detector is made for each session."""

    stt: SpeechToText
    agent: Agent
    tts: TextToSpeech
    vad_name: str
    make_vad: Callable[[], VoiceActivityDetector]

    @property
    def names(self) -> dict[str, str]:
        return {"stt": self.stt.name, "llm": self.agent.name, "tts": self.tts.name, "vad": self.vad_name}

    async def start(self) -> None:
        """Start every stage. Raises EngineError of the first that can't."""
        for engine in (self.stt, self.agent, self.tts):
            await engine.start()

    async def close(self) -> None:
        for engine in (self.tts, self.agent, self.stt):
            await engine.close()
