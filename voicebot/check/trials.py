"""The turns themselves: engines are started, probed and set to work, each alone and in bounded time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Coroutine, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

from voicebot.agent.tools.fillers import Filler
from voicebot.audio.sound import SPEECH_RATE_HZ, Audio
from voicebot.check.advice import ASKED_AGAIN
from voicebot.check.network import obstacle
from voicebot.check.results import CheckedStage, Trial
from voicebot.check.services import SERVICES
from voicebot.dialogue.history import Message, Role
from voicebot.engines.destinations import EMBEDDED
from voicebot.engines.errors import EngineError, Fault
from voicebot.engines.fallback import AgentFallbackGroup, SpeechToTextFallbackGroup, TextToSpeechFallbackGroup
from voicebot.engines.fallback_group import FallbackGroup, FallbackRules
from voicebot.engines.protocols import Engines, HasModels, SlowToStart, Transcript
from voicebot.settings.config import Settings

logger = logging.getLogger(__name__)

SENTENCES: Mapping[str, str] = {
    "en": "What day is it today?",
    "de": "Welcher Tag ist heute?",
    "es": "¿Qué día es hoy?",
    "fr": "Quel jour sommes-nous ?",
    "hi": "आज कौन सा दिन है?",
}
"""What the voices say. The embedded voice and recogniser understand each other in the English one."""

COUNT = "1, 2, 3, 4, 5."
"""What they say in other languages: every voice reads figures in its own."""

QUESTION = "What is two plus two? Answer in one short sentence."

BEFORE_S, AFTER_S = 0.3, 0.6
"""The silence around the sentence, as in a session: the pre-roll, and about what ends a turn."""
PIECE_SAMPLES = 512
"""A recogniser gets the sound in the windows of the voice activity detector, as they would come from a microphone."""

C = TypeVar("C", bound=FallbackGroup[Any])
Tried = TypeVar("Tried", bound=FallbackGroup[Any], contravariant=True)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Limits:
    """How long each step may take."""

    start_s: float = 30.0
    """Worker processes load their models."""
    probe_s: float = 5.0
    turn_s: float = 10.0

    @property
    def rules(self) -> FallbackRules:
        """For chains of one engine: what fails is told, and not tried again."""
        return FallbackRules(retries=0, probe_s=self.probe_s)


class Watch:
    """Takes the times of one turn."""

    def __init__(self) -> None:
        self.begun_s = self._now_s
        self.first_s: float | None = None
        self.ended_s: float | None = None

    def output(self) -> None:
        """Something came; only the first one counts."""
        if self.first_s is None:
            self.first_s = self._now_s - self.begun_s

    @property
    def total_s(self) -> float:
        return self._now_s - self.begun_s

    @property
    def after_end_s(self) -> float:
        """Since the end of the sound; 0 while it goes on."""
        return 0.0 if self.ended_s is None else self._now_s - self.ended_s

    @property
    def _now_s(self) -> float:
        return asyncio.get_running_loop().time()


class TrialTurn(Protocol[Tried]):
    """One turn, which each engine of a stage takes."""

    @property
    def sound_s(self) -> float:
        """How long the sound is that the engine listens to; 0 if it hears none."""
        ...

    async def take(self, chain: Tried, watch: Watch) -> Trial:
        """Raises EngineError if the engine fails."""
        ...


class _SpeakingTurn:
    """A voice says a sentence."""

    sound_s = 0.0

    def __init__(self, sentence: str) -> None:
        self._sentence = sentence

    async def take(self, chain: TextToSpeechFallbackGroup, watch: Watch) -> Trial:
        pieces = []
        async with aclosing(chain.synthesize(self._sentence, chain.usual)) as outputs:
            async for output in outputs:
                if isinstance(output, Audio) and len(output.samples):
                    watch.output()
                    pieces.append(output)
        if not pieces:
            raise EngineError(chain.name, "it made no sound")
        return Trial(chain.name, total_s=watch.total_s, sound=Audio.joined(pieces, pieces[0].rate_hz))


class _HearingTurn:
    """A recogniser hears a sound, at the speed of speech and between two silences."""

    def __init__(self, sound: Audio) -> None:
        self._sound = sound
        self.sound_s = BEFORE_S + sound.duration_s + AFTER_S

    async def take(self, chain: SpeechToTextFallbackGroup, watch: Watch) -> Trial:
        text = ""
        async with (
            chain.session(chain.usual) as transcriber,
            aclosing(transcriber.transcribe(_as_spoken(self._sound, watch))) as transcripts,
        ):
            async for transcript in transcripts:
                if isinstance(transcript, Transcript):
                    text = transcript.text
                    if text:
                        watch.output()
        return Trial(chain.name, total_s=watch.after_end_s, text=text)


class _AnsweringTurn:
    """A model answers the question."""

    sound_s = 0.0

    async def take(self, chain: AgentFallbackGroup, watch: Watch) -> Trial:
        wanted = asyncio.Event()
        wanted.set()
        tokens: list[str] = []
        history = (Message(Role.USER, QUESTION),)
        async with aclosing(chain.reply(history, wanted, style=chain.usual)) as outputs:
            async for output in outputs:
                if isinstance(output, str) and not isinstance(output, Filler):
                    watch.output()
                    tokens.append(output)
        return Trial(chain.name, total_s=watch.total_s, text="".join(tokens).strip())


class Trials:
    """The engines of all stages, each on its own. They stay the caller's to be closed.

    Services of a stage work side by side, as they mostly wait for the network; embedded engines after them and one at a
    time, as they need the processor. So no engine's time is spoilt by another one's work.
    """

    def __init__(self, engines: Engines, settings: Settings, limits: Limits) -> None:
        assert isinstance(engines.tts, TextToSpeechFallbackGroup)
        assert isinstance(engines.stt, SpeechToTextFallbackGroup)
        assert isinstance(engines.agent, AgentFallbackGroup)
        self._settings = settings
        self._limits = limits
        self._voices = engines.tts.alone(limits.rules)
        self._recognisers = engines.stt.alone(limits.rules)
        self._agents = engines.agent.alone(limits.rules)
        self._problems: dict[FallbackGroup[Any], EngineError | None] = {}

    @property
    def names(self) -> dict[CheckedStage, list[str]]:
        """The engines of each stage, in the order in which the bot tries them."""
        stages: dict[CheckedStage, Sequence[FallbackGroup[Any]]] = {
            CheckedStage.HEAR: self._recognisers,
            CheckedStage.ANSWER: self._agents,
            CheckedStage.SPEAK: self._voices,
        }
        return {stage: [chain.name for chain in chains] for stage, chains in stages.items()}

    async def prepare(self) -> None:
        """Start all engines and probe them, side by side."""
        chains: list[FallbackGroup[Any]] = [*self._voices, *self._recognisers, *self._agents]
        problems = await asyncio.gather(*(self._prepare(chain) for chain in chains))
        self._problems = dict(zip(chains, problems, strict=True))

    async def speak(self) -> list[Trial]:
        """Every voice says the same sentence."""
        return await self._stage(self._voices, _SpeakingTurn(sentence_in(self._settings.language)))

    async def receive_audio(self, sound: Audio) -> list[Trial]:
        """Every recogniser hears `sound`, at the speed of speech."""
        return await self._stage(self._recognisers, _HearingTurn(sound))

    async def answer(self) -> list[Trial]:
        """Every model answers the same question, through the agent with its tools."""
        return await self._stage(self._agents, _AnsweringTurn())

    def unheard(self, reason: str) -> list[Trial]:
        """The recognisers when there is nothing for them to hear: what is known of them from their start and probe."""
        return [
            Trial(chain.name, self._model(chain), error=problem, skipped=None if problem else reason)
            for chain in self._recognisers
            for problem in (self._problems[chain],)
        ]

    async def _prepare(self, chain: FallbackGroup[Any]) -> EngineError | None:
        async def steps() -> None:
            await chain.start()
            await chain.probe()

        outcome = await guarded(chain.name, steps(), self._limits.start_s + self._limits.probe_s)
        return outcome if isinstance(outcome, EngineError) else None

    async def _stage(self, chains: Sequence[C], turn: TrialTurn[C]) -> list[Trial]:
        """Gives each engine its turn."""
        services = [chain for chain in chains if chain.name not in EMBEDDED]
        tried = await asyncio.gather(*(self._try(chain, turn) for chain in services))
        trials = dict(zip(services, tried, strict=True))
        for chain in chains:
            if chain not in trials:
                trials[chain] = await self._try(chain, turn)
        return [trials[chain] for chain in chains]

    async def _try(self, chain: C, turn: TrialTurn[C]) -> Trial:
        outcome: Trial | EngineError
        if (problem := self._problems[chain]) is not None:
            outcome = problem
        else:
            watch = Watch()
            engine = chain.candidates(chain.usual)[0].engine
            limit_s = self._limits.turn_s + (engine.first_output_s if isinstance(engine, SlowToStart) else 0.0)
            outcome = await guarded(chain.name, turn.take(chain, watch), limit_s, turn.sound_s, watch)
            if isinstance(outcome, Trial):
                return replace(outcome, model=self._model(chain), first_s=watch.first_s)
        return await self._failed(chain, outcome)

    async def _failed(self, chain: FallbackGroup[Any], error: EngineError) -> Trial:
        """The trial of an engine that failed, with what can be found out about the reason."""
        service = SERVICES.get(chain.name)
        blocked: str | None = None
        listed: tuple[str, ...] = ()
        if service is not None and error.fault in ASKED_AGAIN:
            blocked = await obstacle(service.url(self._settings))
        if service is not None and error.fault in (Fault.REJECTED, Fault.MISSING):
            engine = chain.candidates(chain.usual)[0].engine
            listed = engine.listed if isinstance(engine, HasModels) else ()
        return Trial(chain.name, self._model(chain), error=error, obstacle=blocked, listed=listed)

    def _model(self, chain: FallbackGroup[Any]) -> str | None:
        """The model that was picked, where the engine's health tells; else what the settings name."""
        if picked := getattr(chain.health[0], "model", None):
            return str(picked)
        service = SERVICES.get(chain.name)
        return None if service is None else ", ".join(service.models(self._settings)) or None


def sentence_in(language: str) -> str:
    return SENTENCES.get(language, COUNT)


async def _as_spoken(sound: Audio, watch: Watch) -> AsyncGenerator[Audio]:
    """The sound between two silences, at the speed at which a microphone would give it."""
    silences = [Audio.silence(silence_s, SPEECH_RATE_HZ) for silence_s in (BEFORE_S, AFTER_S)]
    whole = Audio.joined([silences[0], sound.resampled(SPEECH_RATE_HZ), silences[1]], SPEECH_RATE_HZ).samples
    loop = asyncio.get_running_loop()
    for start in range(0, len(whole), PIECE_SAMPLES):
        piece = whole[start : start + PIECE_SAMPLES]
        await asyncio.sleep(watch.begun_s + (start + len(piece)) / SPEECH_RATE_HZ - loop.time())
        yield Audio(piece, SPEECH_RATE_HZ)
    watch.ended_s = loop.time()


async def guarded(
    engine: str, work: Coroutine[Any, Any, T], limit_s: float, sound_s: float = 0.0, watch: Watch | None = None
) -> T | EngineError:
    """What comes of the work, or why nothing did within `limit_s` of the end of the sound that it listens to."""
    try:
        async with asyncio.timeout(sound_s + limit_s):
            return await work
    except EngineError as error:
        return error
    except TimeoutError:
        begun = watch is not None and watch.first_s is not None
        what = "it began, but did not finish" if begun else "nothing came"
        of_what = " of the end of the sentence" if sound_s else ""
        return EngineError(engine, f"{what} within {limit_s:g} s{of_what}", fault=Fault.TIMEOUT)
    except Exception as error:  # the check's boundary: an engine with a mistake in it is reported like one that fails
        logger.debug("an engine failed", exc_info=error)
        return EngineError(engine, f"unexpected {type(error).__name__} (LOG_LEVEL=DEBUG tells more)")
