"""The protocols of the engines of each stage, and the values that engines yield."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from voicebot.audio.sound import Audio, Samples
from voicebot.dialogue.errors import ErrorCode
from voicebot.dialogue.history import History
from voicebot.dialogue.preferences import Preferences
from voicebot.dialogue.tool_calls import CallRecord, CallStatus, ConfirmationRequest, ToolTag
from voicebot.engines.conversation import Conversation
from voicebot.engines.errors import EngineError

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from voicebot.engines.llm.models import Models


@dataclass(frozen=True, slots=True)
class Pause:
    """A mark in the audio of an utterance: the speaker is silent, and may speak on. Numbered from 1 upwards."""

    number: int


@dataclass(frozen=True, slots=True)
class Transcript:
    """The words of one utterance so far; `final` when they will not change any more.

    `confidence` is 0 to 1, or None if the engine reports none. If `pause` is the number of a pause, the text holds each
    word said before it, and would be the final text if nothing followed. `turn_over`: the engine hears from the way of
    speaking that the speaker is done. `backchannel` is another reading of a short sound: a backchannel that is less
    likely in general, but not from somebody who listens to the bot.
    """

    text: str
    final: bool
    confidence: float | None = None
    pause: int | None = None
    turn_over: bool = False
    backchannel: str = ""


@dataclass(frozen=True, slots=True)
class WordStarts:
    """When the words of a text begin in its audio: seconds from its start, one for each word, split at spaces."""

    starts_s: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class EngineSelected:
    """Which engine of a fallback group serves a request, and why each engine before it does not.

    Only fallback groups yield it. The output starts over with it: what came before it is void.
    """

    engine: str
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RestOfSentence:
    """A voice broke off: the audio that follows says the rest of the text. Only fallback groups yield it.

    `word` is the index of the first word that follows, `words` the number of words of the whole text, split at spaces.
    """

    word: int
    words: int


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """The status of an engine: why it is not ready, or why it failed last, and how long its last probe took.

    `code` is the kind of the error that `reason` describes.
    `model` is the model of a service that is used. `graph` is the operator's own graph that answers with it. `warning`
    says that the model will be shut down soon, or what else a visitor should know. `tools` is how many tools an MCP
    server offers.
    """

    name: str
    ready: bool
    reason: str | None = None
    code: ErrorCode | None = None
    probe_ms: int | None = None
    model: str | None = None
    warning: str | None = None
    graph: str | None = None
    tools: int | None = None


@dataclass(frozen=True, slots=True)
class Style:
    """How to serve one request. Engines are shared by all sessions, so every request carries its own style.

    `language` is a two-letter code. `engine` names the engine that is tried first. `voice` is a voice of that engine,
    or of the first engine if none is named. For an empty field the server chooses.
    """

    language: str = "en"
    persona: str = ""
    engine: str = ""
    voice: str = ""


DEFAULT_STYLE = Style()
"""English; the server chooses everything else."""


@dataclass(frozen=True, slots=True)
class Styles:
    """The styles of one session's requests, one for each stage."""

    stt: Style
    llm: Style
    tts: Style

    @classmethod
    def of(cls, preferences: Preferences) -> Styles:
        """Returns the styles for a session with these preferences."""
        language = preferences.language
        return cls(
            stt=Style(language, engine=preferences.stt),
            llm=Style(language, engine=preferences.llm, persona=preferences.persona),
            tts=Style(language, engine=preferences.tts, voice=preferences.voice),
        )


class Engine(Protocol):
    """What engines of all stages share.

    Constructors open nothing. `start` opens what the engine needs, `close` frees it, and both may be called twice.
    """

    @property
    def name(self) -> str: ...

    @property
    def languages(self) -> frozenset[str]:
        """The two-letter codes of its languages."""
        ...

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def probe(self, style: Style) -> None:
        """Finds out as cheaply as possible whether it can work now: the key is valid, the service is there.

        It is called after `start`. A probe that has to name a language uses the style's. Raises EngineError if the
        engine cannot work.
        """
        ...


@runtime_checkable
class CanPrepare(Protocol):
    """A synthesizer or an agent that can get what a style needs before the first request in that style."""

    def prepare(self, style: Style) -> None:
        """Starts to get it in the background: a voice that is not on this machine, or a graph. Returns at once."""
        ...


@runtime_checkable
class HasVoices(Protocol):
    """A synthesizer with several voices."""

    def voices(self, language: str) -> dict[str, str]:
        """Returns the voices that it has beside its default one, with a name for people."""
        ...


@runtime_checkable
class HasNote(Protocol):
    """An engine that may have something to tell visitors."""

    @property
    def note(self) -> str | None:
        """What a visitor should know now, such as that a voice is being downloaded; otherwise None."""
        ...


@runtime_checkable
class HasModels(Protocol):
    """An engine that uses one of several models of its service, and finds out which by a probe."""

    @property
    def model(self) -> str | None:
        """The model that it uses; None for an engine without a service."""
        ...

    @property
    def warning(self) -> str | None:
        """What an operator should know about that model."""
        ...

    @property
    def listed(self) -> tuple[str, ...]:
        """The models that the service offers, by the last probe; empty before one."""
        ...


@runtime_checkable
class HasGraph(Protocol):
    """An agent that answers with an operator's own graph."""

    @property
    def graph(self) -> str:
        """The name of the graph."""
        ...


@runtime_checkable
class SlowToStart(Protocol):
    """An engine whose first output may take longer than a service's, such as a model on a slow machine."""

    @property
    def first_output_s(self) -> float:
        """How long its first output may take; 0 means as long as that of any other engine."""
        ...


class Transcriber(Protocol):
    """The recogniser of one session. Its connections belong to that session alone."""

    @property
    def bytes_sent(self) -> int:
        """How many bytes of audio the recogniser was given since the session began."""
        ...

    def transcribe(self, audio: AsyncIterable[Audio | Pause]) -> AsyncGenerator[Transcript | EngineSelected]:
        """Transcribes one utterance while it is spoken (16 kHz audio): interim transcripts, then exactly one final one.

        At a pause, an engine that can do so yields at once what was said so far; others ignore the mark. The final text
        is empty if there were no words. Closing the generator cancels the transcription. Utterances may overlap: the
        next one may begin before the final of this one has come. Raises EngineError.
        """
        ...


class SpeechToText(Engine, Protocol):
    def session(self, style: Style) -> AbstractAsyncContextManager[Transcriber]:
        """Returns a transcriber in the style's language for one session. Entering it returns at once and never raises.

        Connections are opened in the background, before the first word, and are closed when the context is left.
        """
        ...


class OutputDeadline:
    """The deadline for an engine's next output. This one never passes, as no other engine could take over."""

    def suspend(self) -> None:
        """Stops the deadline: a tool works, or waits until the reply is wanted."""

    def restart(self) -> None:
        """Lets the deadline run again from now on, unless a tool has had effects outside.

        It is also a sign of life from a model that reasons and has not stalled.
        """

    def tools_ended(self) -> None:
        """Notes that no tool works any more, and that one has had effects outside: the deadline stays suspended."""


NO_DEADLINE = OutputDeadline()


class ConversationCalls(Protocol):
    """The tool calls of one conversation, as one reply sees them and adds to them."""

    @property
    def conversation(self) -> Conversation:
        """The conversation, as tools and graphs see it."""
        ...

    @property
    def records(self) -> tuple[CallRecord, ...]:
        """The calls with effects outside that were made before this reply, the oldest first."""
        ...

    @property
    def confirmed(self) -> CallRecord | None:
        """The call to which the user has just said yes. The reply makes it first, and then answers."""
        ...

    async def run(self, call: CallRecord, effect: Coroutine[Any, Any, str], limit_s: float) -> CallRecord:
        """Runs a tool with effects to its end, even if this reply or the session ends; returns how it ended.

        The call is noted in the conversation when it begins and when it ends. An exception of `effect` is a failure,
        and more than `limit_s` of time leaves the call's status unknown; neither is raised.
        """
        ...

    def ask(self, request: ConfirmationRequest) -> None:
        """Notes that the reply ends with this question, and that the tool may run after a clear yes to it."""
        ...

    def count_call(self, tag: ToolTag, status: CallStatus, seconds: float) -> None:
        """Counts the call of a tool, pure or not, that has worked for so long and ended like this."""
        ...


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
        calls: ConversationCalls | None = None,
    ) -> AsyncGenerator[str | EngineSelected]:
        """Answers the last message of the history, token by token, as the style's persona. Raises EngineError.

        Until `wanted` is set the answer may be discarded: tools with effects outside must wait for it. The agent
        suspends the `deadline` while a tool works. Closing the generator cancels the request.

        The caller sets `spoken` when the first sentence of the answer goes to the synthesizer. Until then an answer
        that stalls or breaks off may start over, with another `EngineSelected`; without the event it never does.

        With `stands_in` the engine answers in place of others that failed. `stood_in` is the engine of the last answer
        that the user heard, if that one stood in. Without `calls`, tools with effects are not kept beyond the reply.
        """
        ...


class ModelService(Protocol):
    """A service with a chat model, from which the bot makes an `Agent` with its graph and tools."""

    @property
    def model(self) -> BaseChatModel: ...

    @property
    def models(self) -> Models:
        """The models of the service that may be used."""
        ...

    @property
    def languages(self) -> frozenset[str]: ...

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def probe(self) -> None:
        """Finds out as cheaply as possible whether the service can work now. Raises EngineError if it cannot."""
        ...


@runtime_checkable
class SlowModelService(Protocol):
    """A service of a model that may be slow, such as one on the operator's own machine."""

    @property
    def first_output_s(self) -> float:
        """How long the first token may take."""
        ...

    @property
    def answer_s(self) -> float:
        """How long a whole answer may take."""
        ...


class TextToSpeech(Engine, Protocol):
    def synthesize(
        self, text: str, style: Style
    ) -> AsyncGenerator[Audio | WordStarts | EngineSelected | RestOfSentence]:
        """Says one sentence in the style's voice: audio in pieces, all at the same rate. Raises EngineError.

        An engine that knows when its words begin may yield `WordStarts` once, at any point. After `RestOfSentence` both
        the rate and the word starts are those of the rest of the text. Closing the generator stops the work.
        """
        ...


class VoiceActivityDetector(Protocol):
    """A voice activity detector for one stream of audio. Sessions do not share it."""

    @property
    def window_samples(self) -> int:
        """How many samples at 16 kHz one window has."""
        ...

    def probability(self, window: npt.NDArray[np.int16]) -> float:
        """Returns the probability of speech, 0 to 1. `window` is int16 of shape (window_samples,)."""
        ...

    def reset(self) -> None: ...


class EndOfTurnModel(Protocol):
    """A model that hears from the way of speaking whether a turn is over. Sessions go on without its answers."""

    @property
    def status(self) -> EngineStatus:
        """Whether it can answer now, and why not."""
        ...

    async def start(self) -> None:
        """Loads the model, or begins to. Never raises EngineError, as the bot works without it."""
        ...

    async def settle(self) -> None:
        """Waits until the model works, or `status` says why it does not: it may have to be downloaded first."""
        ...

    async def close(self) -> None: ...

    async def probability(self, samples: Samples) -> float | None:
        """Returns the probability that the turn is over, 0 to 1; None if the model can't answer now.

        `samples` are the end of the utterance with the first part of the pause: int16 at 16 kHz, of shape (n,), of
        which the last 8 s count. Cancelling the call drops the question. Never raises EngineError.
        """
        ...


class FailureCounter(Protocol):
    """Counts the failures of engines."""

    def count_failure(self, stage: str, engine: str, error: EngineError) -> None: ...


class ToolServers(Protocol):
    """Programs outside that have tools for the agent. Sessions go on without those that do not work."""

    @property
    def health(self) -> tuple[EngineStatus, ...]:
        """The status of each server."""
        ...

    @property
    def remarks(self) -> tuple[tuple[str, ...], ...]:
        """For each server, in the order of `health`, what only the operator should read of it."""
        ...

    def count_failures(self, counter: FailureCounter) -> None:
        """Has the counter count each failure of a server from now on."""
        ...

    async def start(self) -> None:
        """Begins to connect with all servers, and does not wait for them."""
        ...

    async def settle(self) -> None:
        """Waits until each server works, or has failed for the first time."""
        ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Engines:
    """One engine for each stage, shared by all sessions. A voice activity detector is made for each session."""

    stt: SpeechToText
    agent: Agent
    tts: TextToSpeech
    vad_name: str
    make_vad: Callable[[], VoiceActivityDetector]
    end_of_turn: EndOfTurnModel | None = None
    """The optional end-of-turn model."""
    tool_servers: ToolServers | None = None

    @property
    def names(self) -> dict[str, str]:
        return {"stt": self.stt.name, "llm": self.agent.name, "tts": self.tts.name, "vad": self.vad_name}

    async def start(self) -> None:
        """Starts every stage. Raises the EngineError of the first one that cannot start."""
        for engine in (self.stt, self.agent, self.tts):
            await engine.start()
        if self.end_of_turn is not None:
            await self.end_of_turn.start()
        if self.tool_servers is not None:
            await self.tool_servers.start()

    async def close(self) -> None:
        if self.tool_servers is not None:
            await self.tool_servers.close()
        if self.end_of_turn is not None:
            await self.end_of_turn.close()
        for engine in (self.tts, self.agent, self.stt):
            await engine.close()
