"""From the settings to engines: one `match` a stage; an engine's package is imported only when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

from pydantic import SecretStr

from voicebot.config import AUTO, LlmName, Settings, SettingsError, SttName, TtsName
from voicebot.engines.base import Agent, Engine, Engines, SpeechToText, TextToSpeech, VoiceActivityDetector
from voicebot.engines.chain import FallbackRules
from voicebot.engines.fallback import AgentChain, SpeechToTextChain, TextToSpeechChain

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from voicebot.engines.llm.models import Models

EMBEDDED = frozenset({"pocketsphinx", "offline", "espeak"})
"""Engines that send nothing anywhere."""

E = TypeVar("E", bound=Engine)
Name = TypeVar("Name", SttName, LlmName, TtsName)


class ModelService(Protocol):
    """A service with a chat model, as `GraphAgent` takes them."""

    @property
    def model(self) -> BaseChatModel: ...

    @property
    def models(self) -> Models: ...

    @property
    def languages(self) -> frozenset[str]: ...

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def probe(self) -> None: ...


def build(settings: Settings) -> Engines:
    """The engines that the settings ask for, not started.

    Raises SettingsError if one that is named lacks its key or the language, or if `auto` finds none for a stage.
    """
    rules = FallbackRules(first_output_s=settings.first_output_timeout_s, rest_s=settings.engine_rest_s)
    agent_rules = FallbackRules(
        retries=settings.llm_retries, first_output_s=settings.first_output_timeout_s, rest_s=settings.engine_rest_s
    )
    return Engines(
        stt=SpeechToTextChain(_engines("STT_ENGINE", settings.stt_engine, _auto_stt, _speech_to_text, settings), rules),
        agent=AgentChain(_engines("LLM_ENGINE", settings.llm_engine, _auto_llm, _agent, settings), agent_rules),
        tts=TextToSpeechChain(_engines("TTS_ENGINE", settings.tts_engine, _auto_tts, _text_to_speech, settings), rules),
        vad_name="silero",
        make_vad=voice_activity_detector,
    )


def _engines(
    variable: str,
    names: Sequence[Name],
    auto: Callable[[Settings], list[Name]],
    make: Callable[[Name, Settings], E],
    settings: Settings,
) -> list[E]:
    """A stage's engines in their order. `auto` leaves out those that lack the language, a named one must know it."""
    automatic = AUTO in names
    engines = [make(name, settings) for name in (auto(settings) if automatic else names)]
    able = [engine for engine in engines if settings.language in engine.languages]
    lacking = [engine for engine in engines if engine not in able]
    if lacking and (not able or not automatic):
        engine = lacking[0]
        known = ", ".join(sorted(engine.languages))
        raise SettingsError(
            f"LANGUAGE: {engine.name} ({variable}) does not know {settings.language!r}; it knows {known}"
        )
    return able


def _auto_stt(settings: Settings) -> list[SttName]:
    return ["deepgram", "pocketsphinx"] if settings.deepgram_api_key else ["pocketsphinx"]


def _auto_llm(settings: Settings) -> list[LlmName]:
    names: list[LlmName] = []
    if settings.groq_api_key:
        names.append("groq")
    if settings.openai_api_key or settings.openai_base_url:
        names.append("openai")
    return [*names, "offline"]


def _auto_tts(settings: Settings) -> list[TtsName]:
    """gTTS needs no key: it is used where some key shows that services are wanted, as it sends what is said away."""
    names: list[TtsName] = []
    if settings.elevenlabs_api_key:
        names.append("elevenlabs")
    if settings.deepgram_api_key or settings.groq_api_key or settings.openai_api_key:
        names.append("gtts")
    return [*names, "espeak"]


def _key(key: SecretStr | None, variable: str, engine: str) -> str:
    if key is None:
        raise SettingsError(f"{variable}: is missing, and {engine} needs it")
    return key.get_secret_value()


def _speech_to_text(name: SttName, settings: Settings) -> SpeechToText:
    match name:
        case "deepgram":
            from voicebot.engines.stt.deepgram import Deepgram

            return Deepgram(
                _key(settings.deepgram_api_key, "DEEPGRAM_API_KEY", name),
                base_url=settings.deepgram_base_url,
                model=settings.deepgram_model,
                language=settings.language,
            )
        case "deepgram-rest":
            from voicebot.engines.stt.deepgram import DeepgramRest

            return DeepgramRest(
                _key(settings.deepgram_api_key, "DEEPGRAM_API_KEY", name),
                base_url=settings.deepgram_base_url,
                model=settings.deepgram_model,
                language=settings.language,
            )
        case "pocketsphinx":
            from voicebot.engines.stt.pocketsphinx import PocketSphinx

            return PocketSphinx(workers=settings.stt_workers)
        case "auto":
            raise AssertionError("`auto` stands for other names")


def _agent(name: LlmName, settings: Settings) -> Agent:
    from voicebot.agent import GraphAgent
    from voicebot.personas import persona, personas, system_prompt
    from voicebot.tools import toolbox

    if settings.persona not in personas():
        raise SettingsError(f"PERSONA: there is no {settings.persona!r}; there is {', '.join(personas())}")
    service = _model_service(name, settings)
    return GraphAgent(
        _offline_model() if service is None else service.model,
        toolbox(),
        system_prompt(persona(settings.persona), settings.language),
        name,
        service=service,
        languages=frozenset({"en"}) if service is None else service.languages,
        language=settings.language,
        timeout_s=settings.llm_timeout_s,
        history_max_tokens=settings.history_max_tokens,
        filler_s=settings.tool_filler_ms / 1000,
        follows_persona=service is not None,
    )


def _model_service(name: LlmName, settings: Settings) -> ModelService | None:
    """The service whose model is to be used; None for the embedded one."""
    match name:
        case "groq":
            from voicebot.engines.llm.groq import Groq
            from voicebot.engines.llm.models import Models

            return Groq(
                _key(settings.groq_api_key, "GROQ_API_KEY", name),
                base_url=settings.groq_base_url,
                models=Models(settings.groq_model),
                temperature=settings.llm_temperature,
                timeout_s=settings.llm_timeout_s,
            )
        case "openai":
            from voicebot.engines.llm.models import Models
            from voicebot.engines.llm.openai import OpenAI

            return OpenAI(
                _openai_key(settings, name),
                base_url=settings.openai_base_url,
                models=Models(settings.openai_model),
                temperature=settings.llm_temperature,
                timeout_s=settings.llm_timeout_s,
            )
        case "openai-realtime":
            from voicebot.engines.llm.models import Models
            from voicebot.engines.llm.realtime import Realtime

            return Realtime(
                _openai_key(settings, name),
                base_url=settings.openai_base_url,
                models=Models(settings.openai_realtime_model),
                timeout_s=settings.llm_timeout_s,
            )
        case "offline":
            return None
        case "auto":
            raise AssertionError("`auto` stands for other names")


def _offline_model() -> BaseChatModel:
    from voicebot.engines.llm.offline import Offline

    return Offline()


def _openai_key(settings: Settings, name: str) -> str | None:
    """OpenAI itself needs one; what stands behind another address may not."""
    if settings.openai_base_url is not None and settings.openai_api_key is None:
        return None
    return _key(settings.openai_api_key, "OPENAI_API_KEY", name)


def _text_to_speech(name: TtsName, settings: Settings) -> TextToSpeech:
    match name:
        case "elevenlabs":
            from voicebot.engines.tts.elevenlabs import ElevenLabs

            return ElevenLabs(
                _key(settings.elevenlabs_api_key, "ELEVENLABS_API_KEY", name),
                base_url=settings.elevenlabs_base_url,
                voice=settings.elevenlabs_voice,
                model=settings.elevenlabs_model,
                language=settings.language,
            )
        case "gtts":
            from voicebot.engines.tts.gtts import Gtts

            return Gtts(language=settings.language)
        case "espeak":
            from voicebot.engines.tts.espeak import Espeak

            return Espeak(settings.espeak_voice, language=settings.language)
        case "auto":
            raise AssertionError("`auto` stands for other names")


def voice_activity_detector() -> VoiceActivityDetector:
    from voicebot.engines.vad.silero import Silero

    return Silero()
