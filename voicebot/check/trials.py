"""The trials: each engine is started, probed and given one turn, alone and in bounded time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Coroutine, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

from voicebot.agent.tools.fillers import Filler
from voicebot.audio.sound import SPEECH_RATE_HZ, Audio
from voicebot.check.results import CheckedStage, Trial
from voicebot.check.trial_calls import TrialCalls, TrialConversation
from voicebot.dialogue.history import Message, Role
from voicebot.engines.errors import EngineError, Fault
from voicebot.engines.fallback import AgentFallbackGroup, SpeechToTextFallbackGroup, TextToSpeechFallbackGroup
from voicebot.engines.fallback_group import FallbackGroup, FallbackRules
from voicebot.engines.protocols import Engines, HasModels, SlowToStart, Transcript
from voicebot.languages.loader import language_of
from voicebot.settings.config import Settings
from voicebot.settings.destinations import EMBEDDED
from voicebot.settings.registry import SERVICES

logger = logging.getLogger(__name__)

NUMBERS = "1, 2, 3, 4, 5."
"""The sentence for languages that have no check sentence. Every voice reads figures in its own language."""

QUESTION = "What is two plus two? Answer in one short sentence."

BEFORE_S, AFTER_S = 0.3, 0.6
"""The silence before and after the sentence, as in a session: the pre-roll, and about what ends a turn."""

PIECE_SAMPLES = 512
"""A recogniser gets the sound in windows of the voice activity detector, as from a microphone."""

C = TypeVar("C", bound=FallbackGroup[Any])
Tried = TypeVar("Tried", bound=FallbackGroup[Any], contravariant=True)
T = TypeVar("T")


def sentence_in(language: str) -> str:
    """Returns what the voices say. The embedded voice and recogniser understand each other in the English sentence."""
    return language_of(language).check_sentence or NUMBERS


@dataclass(frozen=True, slots=True)
class TrialLimits:
    """How long each step may take."""

    start_s: float = 30.0
    """Worker processes load their models in this time."""
    probe_s: float = 5.0
    turn_s: float = 10.0

    @property
    def rules(self) -> FallbackRules:
        """The rules for chains of one engine: a failure is reported, not retried."""
        return FallbackRules(retries=0, probe_s=self.probe_s)


class Stopwatch:
    """Measures one turn."""

    def __init__(self) -> None:
        self.begun_s = self._now_s
        self.first_s: float | None = None
        """The time to the first output."""
        self.sound_ended_s: float | None = None

    def note_output(self) -> None:
        if self.first_s is None:
            self.first_s = self._now_s - self.begun_s

    @property
    def total_s(self) -> float:
        return self._now_s - self.begun_s

    @property
    def after_sound_s(self) -> float:
        """The time since the end of the sound; 0 while it goes on."""
        return 0.0 if self.sound_ended_s is None else self._now_s - self.sound_ended_s

    @property
    def _now_s(self) -> float:
        return asyncio.get_running_loop().time()


class TrialTurn(Protocol[Tried]):
    """One turn, which each engine of a stage is given."""

    @property
    def sound_s(self) -> float:
        """The length of the sound that the engine hears; 0 if it hears none."""
        ...

    async def run(self, chain: Tried, watch: Stopwatch) -> Trial:
        """Raises EngineError if the engine fails."""
        ...


class _SpeakingTurn:
    """A voice says a sentence."""

    sound_s = 0.0

    def __init__(self, sentence: str) -> None:
        self._sentence = sentence

    async def run(self, chain: TextToSpeechFallbackGroup, watch: Stopwatch) -> Trial:
        pieces = []
        async with aclosing(chain.synthesize(self._sentence, chain.usual)) as outputs:
            async for output in outputs:
                if isinstance(output, Audio) and len(output.samples):
                    watch.note_output()
                    pieces.append(output)
        if not pieces:
            raise EngineError(chain.name, "it made no sound")
        return Trial(chain.name, total_s=watch.total_s, sound=Audio.joined(pieces, pieces[0].rate_hz))


class _HearingTurn:
    """A recogniser hears a sound between two silences, at the speed of a microphone."""

    def __init__(self, sound: Audio) -> None:
        silences = [Audio.silence(silence_s, SPEECH_RATE_HZ) for silence_s in (BEFORE_S, AFTER_S)]
        self._sound = Audio.joined([silences[0], sound.resampled(SPEECH_RATE_HZ), silences[1]], SPEECH_RATE_HZ)
        self.sound_s = self._sound.duration_s

    async def run(self, chain: SpeechToTextFallbackGroup, watch: Stopwatch) -> Trial:
        text = ""
        async with (
            chain.session(chain.usual) as transcriber,
            aclosing(transcriber.transcribe(self._stream(watch))) as transcripts,
        ):
            async for transcript in transcripts:
                if isinstance(transcript, Transcript):
                    text = transcript.text
                    if text:
                        watch.note_output()
        return Trial(chain.name, total_s=watch.after_sound_s, text=text)

    async def _stream(self, watch: Stopwatch) -> AsyncGenerator[Audio]:
        loop, samples = asyncio.get_running_loop(), self._sound.samples
        for start in range(0, len(samples), PIECE_SAMPLES):
            piece = samples[start : start + PIECE_SAMPLES]
            await asyncio.sleep(watch.begun_s + (start + len(piece)) / SPEECH_RATE_HZ - loop.time())
            yield Audio(piece, SPEECH_RATE_HZ)
        watch.sound_ended_s = loop.time()


class _AnsweringTurn:
    """A model answers the question, through the agent with its tools. Those with effects are not run."""

    sound_s = 0.0

    async def run(self, chain: AgentFallbackGroup, watch: Stopwatch) -> Trial:
        wanted = asyncio.Event()
        wanted.set()
        tokens: list[str] = []
        history = (Message(Role.USER, QUESTION),)
        calls = TrialCalls(TrialConversation(chain.usual, history))
        async with aclosing(chain.reply(history, wanted, style=chain.usual, calls=calls)) as outputs:
            async for output in outputs:
                if isinstance(output, str) and not isinstance(output, Filler):
                    watch.note_output()
                    tokens.append(output)
        return Trial(chain.name, total_s=watch.total_s, text="".join(tokens).strip())


class Trials:
    """Tries the engines of all stages, each alone. The caller closes the engines.

    The services of a stage are tried at the same time, as they mostly wait for the network. The embedded engines are
    tried after them, one by one, as they need the processor. So no engine slows down the trial of another.
    """

    def __init__(self, engines: Engines, settings: Settings, limits: TrialLimits) -> None:
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
        """Starts and probes all engines at the same time."""
        chains: list[FallbackGroup[Any]] = [*self._voices, *self._recognisers, *self._agents]
        problems = await asyncio.gather(*(self._prepare(chain) for chain in chains))
        self._problems = dict(zip(chains, problems, strict=True))

    async def speak(self) -> list[Trial]:
        """Lets every voice say the same sentence."""
        return await self._try_all(self._voices, _SpeakingTurn(sentence_in(self._settings.language)))

    async def hear(self, sound: Audio) -> list[Trial]:
        """Lets every recogniser hear `sound`, at the speed of speech."""
        return await self._try_all(self._recognisers, _HearingTurn(sound))

    async def answer(self) -> list[Trial]:
        """Lets every model answer the same question."""
        return await self._try_all(self._agents, _AnsweringTurn())

    def skip_hearing(self, reason: str) -> list[Trial]:
        """Returns the results of the recognisers' starts and probes, where there is no sound for them to hear."""
        return [
            Trial(chain.name, self._model(chain), error=problem, skipped=None if problem else reason)
            for chain in self._recognisers
            for problem in (self._problems[chain],)
        ]

    async def _prepare(self, chain: FallbackGroup[Any]) -> EngineError | None:
        async def steps() -> None:
            await chain.start()
            await chain.probe()

        outcome = await _run_guarded(chain.name, steps(), self._limits.start_s + self._limits.probe_s)
        return outcome if isinstance(outcome, EngineError) else None

    async def _try_all(self, chains: Sequence[C], turn: TrialTurn[C]) -> list[Trial]:
        services = [chain for chain in chains if chain.name not in EMBEDDED]
        tried = await asyncio.gather(*(self._try(chain, turn) for chain in services))
        trials = dict(zip(services, tried, strict=True))
        for chain in chains:
            if chain not in trials:
                trials[chain] = await self._try(chain, turn)
        return [trials[chain] for chain in chains]

    async def _try(self, chain: C, turn: TrialTurn[C]) -> Trial:
        engine = chain.candidates(chain.usual)[0].engine
        watch = Stopwatch()
        outcome: Trial | EngineError | None = self._problems[chain]
        if outcome is None:
            limit_s = self._limits.turn_s + (engine.first_output_s if isinstance(engine, SlowToStart) else 0.0)
            outcome = await _run_guarded(chain.name, turn.run(chain, watch), limit_s, turn.sound_s, watch)
        if isinstance(outcome, Trial):
            return replace(outcome, model=self._model(chain), first_s=watch.first_s)
        names_matter = outcome.fault in (Fault.REJECTED, Fault.MISSING) and isinstance(engine, HasModels)
        return Trial(chain.name, self._model(chain), error=outcome, listed=engine.listed if names_matter else ())

    def _model(self, chain: FallbackGroup[Any]) -> str | None:
        """Returns the model that the engine picked, if its health tells, or else those that the settings name."""
        if picked := getattr(chain.health[0], "model", None):
            return str(picked)
        service = SERVICES.get(chain.name)
        return None if service is None else ", ".join(service.models(self._settings)) or None


async def _run_guarded(
    engine: str, work: Coroutine[Any, Any, T], limit_s: float, sound_s: float = 0.0, watch: Stopwatch | None = None
) -> T | EngineError:
    """Returns the result of the work, or why there is none within `limit_s` after the end of the sound it hears."""
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
    except Exception as error:  # the check's boundary: an engine with a bug is reported like one that fails
        logger.debug("an engine failed", exc_info=error)
        return EngineError(engine, f"unexpected {type(error).__name__} (LOG_LEVEL=DEBUG tells more)")
