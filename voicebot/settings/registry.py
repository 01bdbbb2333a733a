"""All engines that the settings can name. To add an engine, add an entry to `STT`, `LLM` or `TTS`.

The settings check names against the entries, `auto` takes engines in their order, and the check of keys, `--check`, the
notice on the page and the limits of a Space read them. docs/extending.md has an example for each stage.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Generic, TypeVar
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from pydantic import SecretStr

    from voicebot.engines.protocols import ModelService, SpeechToText, TextToSpeech
    from voicebot.settings.config import Settings

T_co = TypeVar("T_co", covariant=True)

AUTO = "auto"
"""Stands for the engines that can work here, in the order of their entries."""

LOCAL = "local"
"""The engine for a model on the operator's own server."""

ENGLISH = frozenset({"en"})


@dataclass(frozen=True, slots=True)
class Found:
    """What was found at the start that `auto` may use."""

    local: bool = False
    """True if a local model server was found."""
    huggingface: bool = False
    """True if HF_TOKEN permits inference."""
    remarks: tuple[str, ...] = ()
    """Sentences about what is not used, and why."""


NOTHING_FOUND = Found()


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    """A service outside, which one or more engines use. Its settings are named as in `Settings`."""

    address: str
    display_name: str | None = None
    """What visitors are told that it is called; without it, as its engine."""
    key: str | None = None
    address_setting: str | None = None
    """The setting that replaces the address."""
    model_settings: tuple[str, ...] = ()
    """The settings that name its models and voices."""
    console: str | None = None
    """The page on which users see their keys, their credit and their limits."""
    status_page: str | None = None
    has_shared_key: bool = False
    """True if people have the key for other purposes too, so that the key alone does not mean that it is used here."""
    has_keyless_servers: bool = False
    """True if the setting of the address may name a server that needs no key."""

    def missing_key(self, settings: Settings) -> str | None:
        """Returns the setting of the service's key if it is needed and not set."""
        if self.key is None or (self.has_keyless_servers and self.given_address(settings) is not None):
            return None
        return self.key if getattr(settings, self.key) is None else None

    def given_address(self, settings: Settings) -> str | None:
        """Returns the address in the settings."""
        given: str | None = None if self.address_setting is None else getattr(settings, self.address_setting)
        return given

    def own_address(self, settings: Settings) -> str | None:
        """Returns the address in the settings, such as a gateway's, if it is not the service's public one."""
        given = self.given_address(settings)
        return given if given is not None and urlsplit(given).hostname != urlsplit(self.address).hostname else None

    def host(self, settings: Settings) -> str:
        """Returns the host of the service, with its port unless that is the default one."""
        parts = urlsplit(self.own_address(settings) or self.address)
        return f"{parts.hostname}:{parts.port}" if parts.port is not None else parts.hostname or ""

    def models(self, settings: Settings) -> tuple[str, ...]:
        """Returns the models and voices that the settings name."""
        names: list[str] = []
        for setting in self.model_settings:
            value = getattr(settings, setting)
            names += value if isinstance(value, tuple) else [value]
        return tuple(name for name in names if name)


def never(settings: Settings, found: Found) -> bool:
    """Keeps an engine out of `auto`."""
    return False


@dataclass(frozen=True, slots=True)
class EngineEntry(Generic[T_co]):
    """An engine of one stage: how it is created, and what the bot knows of it before."""

    name: str
    create: Callable[[Settings], T_co]
    """Creates the engine and opens nothing. It imports the engine's packages, because loading them takes long."""
    service: ServiceFacts | None = None
    """The service that it sends users' words to; None if it works on this machine or on the operator's own server."""
    languages: frozenset[str] | None = None
    """The two-letter codes of its languages. With None the engine tells them itself after it was created; a bare chat
    model, which cannot, then knows English only."""
    follows_persona: bool = True
    """False for a model that ignores the system prompt. It has no meaning in other stages."""
    is_in_auto: Callable[[Settings, Found], bool] | None = None
    """Tells whether `auto` uses it. Without a function it does if the engine's service needs no key or has its key."""

    def suits(self, settings: Settings, found: Found) -> bool:
        """Returns whether `auto` uses the engine."""
        if self.is_in_auto is not None:
            return self.is_in_auto(settings, found)
        return self.service is None or self.service.key is None or getattr(settings, self.service.key) is not None

    def missing_key(self, settings: Settings) -> str | None:
        """Returns the setting of the engine's key if it is needed and not set."""
        return None if self.service is None else self.service.missing_key(settings)


def _has_key_or_keyless_server(settings: Settings, found: Found) -> bool:
    """An OPENAI_BASE_URL without a key may be the address of a local server, which the engine `local` then uses."""
    return settings.openai_api_key is not None or (settings.openai_base_url is not None and not found.local)


def _another_service_has_its_key(settings: Settings, found: Found) -> bool:
    """Google's voice needs no key but gets texts, so `auto` uses it only where another service gets words anyway."""
    return any((settings.deepgram_api_key, settings.groq_api_key, settings.openai_api_key))


def _is_local_found(settings: Settings, found: Found) -> bool:
    return found.local


def _is_huggingface_found(settings: Settings, found: Found) -> bool:
    return found.huggingface


def _key(key: SecretStr | None) -> str:
    assert key is not None, "the settings were checked before"
    return key.get_secret_value()


def _openai_key(settings: Settings) -> str | None:
    return None if settings.openai_api_key is None else settings.openai_api_key.get_secret_value()


def _deepgram(settings: Settings) -> SpeechToText:
    from voicebot.engines.stt.deepgram import Deepgram

    key, model = _key(settings.deepgram_api_key), settings.deepgram_model
    return Deepgram(key, base_url=settings.deepgram_base_url, model=model)


def _deepgram_rest(settings: Settings) -> SpeechToText:
    from voicebot.engines.stt.deepgram import DeepgramRest

    key, model = _key(settings.deepgram_api_key), settings.deepgram_model
    return DeepgramRest(key, base_url=settings.deepgram_base_url, model=model)


def _moonshine(settings: Settings) -> SpeechToText:
    from voicebot.engines.stt.moonshine import LargerModel, Moonshine

    return Moonshine(LargerModel() if settings.moonshine_model == "base-en" else None)


def _groq(settings: Settings) -> ModelService:
    from voicebot.engines.llm.groq import Groq
    from voicebot.engines.llm.models import Models

    return Groq(
        _key(settings.groq_api_key),
        base_url=settings.groq_base_url,
        models=Models(settings.groq_model),
        temperature=settings.tuning.llm_temperature,
        timeout_s=settings.tuning.llm_timeout_s,
    )


def _openai(settings: Settings) -> ModelService:
    from voicebot.engines.llm.models import Models
    from voicebot.engines.llm.openai import OpenAI

    return OpenAI(
        _openai_key(settings),
        base_url=settings.openai_base_url,
        models=Models(settings.openai_model),
        temperature=settings.tuning.llm_temperature,
        timeout_s=settings.tuning.llm_timeout_s,
    )


def _openai_realtime(settings: Settings) -> ModelService:
    from voicebot.engines.llm.models import Models
    from voicebot.engines.llm.realtime import Realtime

    return Realtime(
        _openai_key(settings),
        base_url=settings.openai_base_url,
        models=Models(settings.openai_realtime_model),
        timeout_s=settings.tuning.llm_timeout_s,
    )


def _local(settings: Settings) -> ModelService:
    from voicebot.engines.llm.local import ANSWER_S, Local
    from voicebot.settings.destinations import local_addresses, local_models

    # Only the model that is asked first is warmed.
    first = in_order(LLM, settings.llm_engine, settings, Found(local=True))[0]
    return Local(
        local_addresses(settings),
        wanted=local_models(settings),
        is_warmed=first.name == LOCAL,
        temperature=settings.tuning.llm_temperature,
        timeout_s=max(ANSWER_S, settings.tuning.llm_timeout_s),
    )


def _huggingface(settings: Settings) -> ModelService:
    from voicebot.engines.llm.huggingface import HuggingFace
    from voicebot.engines.llm.models import Models

    return HuggingFace(
        _key(settings.hf_token),
        base_url=settings.huggingface_base_url,
        models=Models(settings.huggingface_model),
        temperature=settings.tuning.llm_temperature,
        timeout_s=settings.tuning.llm_timeout_s,
    )


def _offline(settings: Settings) -> BaseChatModel:
    from voicebot.engines.llm.offline import OfflineModel

    return OfflineModel()


def _elevenlabs(settings: Settings) -> TextToSpeech:
    from voicebot.engines.tts.elevenlabs import ElevenLabs

    return ElevenLabs(
        _key(settings.elevenlabs_api_key),
        base_url=settings.elevenlabs_base_url,
        voice=settings.elevenlabs_voice,
        model=settings.elevenlabs_model,
    )


def _gtts(settings: Settings) -> TextToSpeech:
    from voicebot.engines.tts.gtts import Gtts

    return Gtts()


def _hibari(settings: Settings) -> TextToSpeech:
    from voicebot.engines.tts.hibari import Hibari

    return Hibari()


def _espeak(settings: Settings) -> TextToSpeech:
    from voicebot.engines.tts.espeak import Espeak

    return Espeak(language=settings.language)


DEEPGRAM = ServiceFacts(
    "https://api.deepgram.com",
    display_name="Deepgram",
    key="deepgram_api_key",
    address_setting="deepgram_base_url",
    model_settings=("deepgram_model",),
    console="https://console.deepgram.com",
    status_page="https://status.deepgram.com",
)
GROQ = ServiceFacts(
    "https://api.groq.com",
    display_name="Groq",
    key="groq_api_key",
    address_setting="groq_base_url",
    model_settings=("groq_model",),
    console="https://console.groq.com/keys",
    status_page="https://groqstatus.com",
)
OPENAI = ServiceFacts(
    "https://api.openai.com",
    display_name="OpenAI",
    key="openai_api_key",
    address_setting="openai_base_url",
    model_settings=("openai_model",),
    console="https://platform.openai.com/settings",
    status_page="https://status.openai.com",
    has_keyless_servers=True,
)
OPENAI_REALTIME = replace(OPENAI, model_settings=("openai_realtime_model",))
HUGGINGFACE = ServiceFacts(
    "https://router.huggingface.co",
    display_name="Hugging Face",
    key="hf_token",
    address_setting="huggingface_base_url",
    model_settings=("huggingface_model",),
    console="https://huggingface.co/settings/tokens",
    status_page="https://status.huggingface.co",
    has_shared_key=True,
)
ELEVENLABS = ServiceFacts(
    "https://api.elevenlabs.io",
    display_name="ElevenLabs",
    key="elevenlabs_api_key",
    address_setting="elevenlabs_base_url",
    model_settings=("elevenlabs_model", "elevenlabs_voice"),
    console="https://elevenlabs.io/app/settings/api-keys",
    status_page="https://status.elevenlabs.io",
)
GOOGLE = ServiceFacts("https://translate.google.com", display_name="Google Translate")

# In the order in which `auto` tries the engines.
STT: tuple[EngineEntry[SpeechToText], ...] = (
    EngineEntry("deepgram", _deepgram, DEEPGRAM),
    EngineEntry("deepgram-rest", _deepgram_rest, DEEPGRAM, is_in_auto=never),
    EngineEntry("moonshine", _moonshine, languages=ENGLISH),
)
LLM: tuple[EngineEntry[ModelService | BaseChatModel], ...] = (
    EngineEntry("groq", _groq, GROQ),
    EngineEntry("openai", _openai, OPENAI, is_in_auto=_has_key_or_keyless_server),
    EngineEntry("openai-realtime", _openai_realtime, OPENAI_REALTIME, is_in_auto=never),
    EngineEntry(LOCAL, _local, is_in_auto=_is_local_found),
    # People have HF_TOKEN for other purposes too, so its service comes after a model on this machine.
    EngineEntry("huggingface", _huggingface, HUGGINGFACE, is_in_auto=_is_huggingface_found),
    EngineEntry("offline", _offline, languages=ENGLISH, follows_persona=False),
)
TTS: tuple[EngineEntry[TextToSpeech], ...] = (
    EngineEntry("elevenlabs", _elevenlabs, ELEVENLABS),
    EngineEntry("gtts", _gtts, GOOGLE, is_in_auto=_another_service_has_its_key),
    EngineEntry("hibari", _hibari, languages=ENGLISH),
    EngineEntry("espeak", _espeak),
)

ALL: Mapping[str, EngineEntry[object]] = {entry.name: entry for entry in (*STT, *LLM, *TTS)}

SERVICES: Mapping[str, ServiceFacts] = {name: entry.service for name, entry in ALL.items() if entry.service is not None}
"""The services by the names of their engines. Embedded engines and the local model have none."""

PAID_KEYS: tuple[str, ...] = tuple(
    dict.fromkeys(facts.key for facts in SERVICES.values() if facts.key is not None and not facts.has_shared_key)
)
"""The settings of keys that make `auto` use a service, which costs money."""

PAID_ENGINES: tuple[str, ...] = tuple(name for name, facts in SERVICES.items() if facts.has_shared_key)
"""Engines that cost money too, with a key that people have for other purposes."""


def in_order(
    entries: Sequence[EngineEntry[T_co]], chosen: Sequence[str], settings: Settings, found: Found = NOTHING_FOUND
) -> list[EngineEntry[T_co]]:
    """Returns the engines of a stage in the order in which they are tried. `chosen` is the value of its setting."""
    if AUTO in chosen:
        return [entry for entry in entries if entry.suits(settings, found)]
    return [entry for name in chosen for entry in entries if entry.name == name]
