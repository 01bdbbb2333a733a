"""Creates the engines that the settings name. The package of an engine is imported only if the engine is used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar

from pydantic import SecretStr

from voicebot.agent.personas import PersonaError, personas
from voicebot.bootstrap.discovery import Found
from voicebot.engines.destinations import LOCAL, local_addresses, local_models
from voicebot.engines.fallback import AgentFallbackGroup, SpeechToTextFallbackGroup, TextToSpeechFallbackGroup
from voicebot.engines.fallback_group import FallbackRules
from voicebot.engines.protocols import Agent, Engine, Engines, SpeechToText, Styles, TextToSpeech, VoiceActivityDetector
from voicebot.settings.config import AUTO, LlmName, Settings, SettingsError, SttName, TtsName

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from voicebot.engines.llm.models import Models

KEYS: Mapping[str, str] = {
    "deepgram": "deepgram_api_key",
    "deepgram-rest": "deepgram_api_key",
    "groq": "groq_api_key",
    "openai": "openai_api_key",
    "openai-realtime": "openai_api_key",
    "huggingface": "hf_token",
    "elevenlabs": "elevenlabs_api_key",
}
"""For each engine that needs a key, the setting of that key."""

ENGLISH_ONLY = frozenset({"moonshine", "offline", "hibari"})

NOTHING_FOUND = Found()

E = TypeVar("E", bound=Engine)
Name = TypeVar("Name", SttName, LlmName, TtsName)


class ModelService(Protocol):
    """A service with a chat model for `GraphAgent`."""

    @property
    def model(self) -> BaseChatModel: ...

    @property
    def models(self) -> Models: ...

    @property
    def languages(self) -> frozenset[str]: ...

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def probe(self) -> None: ...


def build(settings: Settings, found: Found = NOTHING_FOUND) -> Engines:
    """Creates the engines of the settings, and does not start them. `found` is the result of `discover`.

    Raises SettingsError if an engine that is named lacks its key or does not know the language, or if `auto` finds no
    engine for a stage.
    """
    check(settings, found)
    tuning = settings.tuning
    rules = FallbackRules(first_output_s=tuning.first_output_timeout_s, rest_s=tuning.engine_rest_s)
    agent_rules = replace(rules, retries=tuning.llm_retries)
    recognisers = [speech_to_text(name, settings) for name in _names(settings.stt_engine, _auto_stt(settings))]
    recognisers = _able("STT_ENGINE", settings.stt_engine, recognisers, settings)
    agents = [agent(name, settings) for name in _names(settings.llm_engine, _auto_llm(settings, found))]
    agents = _able("LLM_ENGINE", settings.llm_engine, agents, settings)
    voices = [text_to_speech(name, settings) for name in _names(settings.tts_engine, _auto_tts(settings))]
    voices = _able("TTS_ENGINE", settings.tts_engine, voices, settings)
    usual = Styles.of(settings.preferences)
    return Engines(
        stt=SpeechToTextFallbackGroup(recognisers, rules, usual.stt),
        agent=AgentFallbackGroup(agents, agent_rules, usual.llm),
        tts=TextToSpeechFallbackGroup(voices, rules, usual.tts),
        vad_name="silero",
        make_vad=voice_activity_detector,
    )


def check(settings: Settings, found: Found = NOTHING_FOUND) -> None:
    """Raises SettingsError with a line for each problem that can be seen without loading the engines' packages.

    Loading the packages takes seconds, and this takes no time.
    """
    problems = []
    try:
        known = personas(settings.persona_file)
    except PersonaError as error:
        problems.append(f"PERSONA: {error}")
    else:
        if settings.persona_name not in known:
            problems.append(f"PERSONA: There is no persona {settings.persona!r}; there are only {', '.join(known)}")
    stages: tuple[tuple[str, Sequence[str], Sequence[str]], ...] = (
        ("STT_ENGINE", settings.stt_engine, _auto_stt(settings)),
        ("LLM_ENGINE", settings.llm_engine, _auto_llm(settings, found)),
        ("TTS_ENGINE", settings.tts_engine, _auto_tts(settings)),
    )
    for variable, named, auto in stages:
        names = auto if AUTO in named else named
        missing = [name for name in names if name in KEYS and _lacks_key(name, settings)]
        problems += [f"{KEYS[name].upper()}: The engine {name} needs this key" for name in missing]
        lacking = [name for name in names if name in ENGLISH_ONLY] if settings.language != "en" else []
        if lacking and (AUTO not in named or len(lacking) == len(names)):
            problems.append(_unknown_language(lacking[0], variable, settings.language, {"en"}))
    if problems:
        raise SettingsError("\n".join(dict.fromkeys(problems)))


def _lacks_key(name: str, settings: Settings) -> bool:
    """Returns True if the key of an engine is not set. Only OpenAI itself needs its key, not compatible services."""
    if KEYS[name] == "openai_api_key" and settings.openai_base_url is not None:
        return False
    return getattr(settings, KEYS[name]) is None


def _unknown_language(engine: str, variable: str, language: str, known: Iterable[str]) -> str:
    return f"LANGUAGE: The engine {engine} ({variable}) does not know {language!r}, only {', '.join(sorted(known))}"


def _names(named: Sequence[Name], auto: Sequence[Name]) -> Sequence[Name]:
    """Returns the engines of a stage in their order. `auto` are the engines that the setting `auto` stands for."""
    return auto if AUTO in named else named


def _able(variable: str, named: Sequence[str], engines: list[E], settings: Settings) -> list[E]:
    """Returns the engines of a stage that know the settings' language. Raises SettingsError if there are none.

    `named` is the value of the setting `variable`. If it is not `auto`, all engines must know the language.
    """
    able = [engine for engine in engines if settings.language in engine.languages]
    lacking = [engine for engine in engines if engine not in able]
    if lacking and (not able or AUTO not in named):
        engine = lacking[0]
        raise SettingsError(_unknown_language(engine.name, variable, settings.language, engine.languages))
    return able


def _auto_stt(settings: Settings) -> list[SttName]:
    return ["deepgram", "moonshine"] if settings.deepgram_api_key else ["moonshine"]


def _auto_llm(settings: Settings, found: Found) -> list[LlmName]:
    """Returns the services with keys, a local model, and Hugging Face, in this order; the offline model is the last.

    People have HF_TOKEN for other purposes too, so its service comes after a model on this machine.
    """
    names: list[LlmName] = []
    if settings.groq_api_key:
        names.append("groq")
    if settings.openai_api_key or (settings.openai_base_url and not found.local):
        names.append("openai")
    if found.local:
        names.append("local")
    if found.huggingface:
        names.append("huggingface")
    return [*names, "offline"]


def _auto_tts(settings: Settings) -> list[TtsName]:
    """Returns the services with keys, then the embedded voices.

    gTTS needs no key but sends texts away, so it is used only if the key of any service is set.
    """
    names: list[TtsName] = []
    if settings.elevenlabs_api_key:
        names.append("elevenlabs")
    if settings.deepgram_api_key or settings.groq_api_key or settings.openai_api_key:
        names.append("gtts")
    return [*names, "hibari", "espeak"]


def _key(key: SecretStr | None) -> str:
    assert key is not None, "`check` has refused settings without this key"
    return key.get_secret_value()


def speech_to_text(name: SttName, settings: Settings) -> SpeechToText:
    """Creates the recogniser of this name from the settings. It imports the packages of that engine."""
    match name:
        case "deepgram":
            from voicebot.engines.stt.deepgram import Deepgram

            return Deepgram(
                _key(settings.deepgram_api_key),
                base_url=settings.deepgram_base_url,
                model=settings.deepgram_model,
            )
        case "deepgram-rest":
            from voicebot.engines.stt.deepgram import DeepgramRest

            return DeepgramRest(
                _key(settings.deepgram_api_key),
                base_url=settings.deepgram_base_url,
                model=settings.deepgram_model,
            )
        case "moonshine":
            from voicebot.engines.stt.moonshine import LargerModel, Moonshine

            return Moonshine(LargerModel() if settings.moonshine_model == "base-en" else None)
        case "auto":
            raise AssertionError("`auto` is replaced by the names of engines before this")


def agent(name: LlmName, settings: Settings) -> Agent:
    """Creates the agent of this name, with its tools, from the settings. It imports the packages of that engine."""
    from voicebot.agent.graph import GraphAgent, prompt_of
    from voicebot.agent.tools import toolbox

    service = _model_service(name, settings)
    return GraphAgent(
        _offline_model() if service is None else service.model,
        toolbox(),
        name,
        prompt=partial(prompt_of, known=personas(settings.persona_file)),
        service=service,
        languages=frozenset({"en"}) if service is None else service.languages,
        timeout_s=_answer_s(name, settings),
        history_max_tokens=settings.tuning.history_max_tokens,
        filler_s=settings.tuning.tool_filler_s,
        follows_persona=service is not None,
        first_output_s=_first_token_s(name),
    )


def _is_first(name: LlmName, settings: Settings) -> bool:
    """Returns True if this model is tried before all others."""
    auto = AUTO in settings.llm_engine
    return (_auto_llm(settings, Found(local=True)) if auto else settings.llm_engine)[0] == name


def _answer_s(name: LlmName, settings: Settings) -> float:
    """Returns how long a whole answer of this model may take."""
    if name != LOCAL:
        return settings.tuning.llm_timeout_s
    from voicebot.engines.llm.local import ANSWER_S

    return max(ANSWER_S, settings.tuning.llm_timeout_s)


def _first_token_s(name: LlmName) -> float:
    """Returns how long the first token may take; 0 means as long as the settings say for all engines."""
    if name != LOCAL:
        return 0.0
    from voicebot.engines.llm.local import FIRST_TOKEN_S

    return FIRST_TOKEN_S


def _model_service(name: LlmName, settings: Settings) -> ModelService | None:
    """Creates the service of this name from the settings; returns None for the offline model, which has none."""
    match name:
        case "groq":
            from voicebot.engines.llm.groq import Groq
            from voicebot.engines.llm.models import Models

            return Groq(
                _key(settings.groq_api_key),
                base_url=settings.groq_base_url,
                models=Models(settings.groq_model),
                temperature=settings.tuning.llm_temperature,
                timeout_s=settings.tuning.llm_timeout_s,
            )
        case "openai":
            from voicebot.engines.llm.models import Models
            from voicebot.engines.llm.openai import OpenAI

            return OpenAI(
                _openai_key(settings),
                base_url=settings.openai_base_url,
                models=Models(settings.openai_model),
                temperature=settings.tuning.llm_temperature,
                timeout_s=settings.tuning.llm_timeout_s,
            )
        case "openai-realtime":
            from voicebot.engines.llm.models import Models
            from voicebot.engines.llm.realtime import Realtime

            return Realtime(
                _openai_key(settings),
                base_url=settings.openai_base_url,
                models=Models(settings.openai_realtime_model),
                timeout_s=settings.tuning.llm_timeout_s,
            )
        case "local":
            from voicebot.engines.llm.local import Local

            return Local(
                local_addresses(settings),
                wanted=local_models(settings),
                is_warmed=_is_first(name, settings),
                temperature=settings.tuning.llm_temperature,
                timeout_s=_answer_s(name, settings),
            )
        case "huggingface":
            from voicebot.engines.llm.huggingface import HuggingFace
            from voicebot.engines.llm.models import Models

            return HuggingFace(
                _key(settings.hf_token),
                base_url=settings.huggingface_base_url,
                models=Models(settings.huggingface_model),
                temperature=settings.tuning.llm_temperature,
                timeout_s=settings.tuning.llm_timeout_s,
            )
        case "offline":
            return None
        case "auto":
            raise AssertionError("`auto` is replaced by the names of engines before this")


def _offline_model() -> BaseChatModel:
    from voicebot.engines.llm.offline import OfflineModel

    return OfflineModel()


def _openai_key(settings: Settings) -> str | None:
    return None if settings.openai_api_key is None else settings.openai_api_key.get_secret_value()


def text_to_speech(name: TtsName, settings: Settings) -> TextToSpeech:
    """Creates the synthesizer of this name from the settings. It imports the packages of that engine."""
    match name:
        case "elevenlabs":
            from voicebot.engines.tts.elevenlabs import ElevenLabs

            return ElevenLabs(
                _key(settings.elevenlabs_api_key),
                base_url=settings.elevenlabs_base_url,
                voice=settings.elevenlabs_voice,
                model=settings.elevenlabs_model,
            )
        case "gtts":
            from voicebot.engines.tts.gtts import Gtts

            return Gtts()
        case "hibari":
            from voicebot.engines.tts.hibari import Hibari

            return Hibari()
        case "espeak":
            from voicebot.engines.tts.espeak import Espeak

            return Espeak(language=settings.language)
        case "auto":
            raise AssertionError("`auto` is replaced by the names of engines before this")


def voice_activity_detector() -> VoiceActivityDetector:
    from voicebot.engines.vad.silero import Silero

    return Silero()
