"""What the check knows of the services behind the engines: their settings, and the pages that help."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from voicebot.settings.config import Settings


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    """A service, with the names of its settings as they stand in `Settings`, and the pages of its public console."""

    address: str
    key: str | None = None
    address_setting: str | None = None
    model_settings: tuple[str, ...] = ()
    keys_page: str | None = None
    credit_page: str | None = None
    limits_page: str | None = None
    status_page: str | None = None

    def own_address(self, settings: Settings) -> str | None:
        """The address that the settings give in place of the service's own one, such as a gateway's."""
        given: str | None = None if self.address_setting is None else getattr(settings, self.address_setting)
        is_other = given is not None and urlsplit(given).hostname != urlsplit(self.address).hostname
        return given if is_other else None

    def url(self, settings: Settings) -> str:
        return self.own_address(settings) or self.address

    def host(self, settings: Settings) -> str:
        """The host that is talked to, with its port unless that is the usual one."""
        parts = urlsplit(self.url(settings))
        return f"{parts.hostname}:{parts.port}" if parts.port is not None else parts.hostname or ""

    def models(self, settings: Settings) -> tuple[str, ...]:
        """The models and voices that the settings name."""
        named: list[str] = []
        for setting in self.model_settings:
            value = getattr(settings, setting)
            named += value if isinstance(value, tuple) else [value]
        return tuple(name for name in named if name)


_DEEPGRAM = ServiceFacts(
    "https://api.deepgram.com",
    key="deepgram_api_key",
    address_setting="deepgram_base_url",
    model_settings=("deepgram_model",),
    keys_page="https://console.deepgram.com",
    credit_page="https://console.deepgram.com",
    status_page="https://status.deepgram.com",
)


def _openai(model_setting: str) -> ServiceFacts:
    return ServiceFacts(
        "https://api.openai.com",
        key="openai_api_key",
        address_setting="openai_base_url",
        model_settings=(model_setting,),
        keys_page="https://platform.openai.com/api-keys",
        credit_page="https://platform.openai.com/settings/organization/billing",
        limits_page="https://platform.openai.com/settings/organization/limits",
        status_page="https://status.openai.com",
    )


SERVICES: Mapping[str, ServiceFacts] = {
    "deepgram": _DEEPGRAM,
    "deepgram-rest": _DEEPGRAM,
    "groq": ServiceFacts(
        "https://api.groq.com",
        key="groq_api_key",
        address_setting="groq_base_url",
        model_settings=("groq_model",),
        keys_page="https://console.groq.com/keys",
        credit_page="https://console.groq.com/settings/billing",
        limits_page="https://console.groq.com/settings/limits",
        status_page="https://groqstatus.com",
    ),
    "openai": _openai("openai_model"),
    "openai-realtime": _openai("openai_realtime_model"),
    "huggingface": ServiceFacts(
        "https://router.huggingface.co",
        key="hf_token",
        address_setting="huggingface_base_url",
        model_settings=("huggingface_model",),
        keys_page="https://huggingface.co/settings/tokens",
        credit_page="https://huggingface.co/settings/billing",
        limits_page="https://huggingface.co/settings/billing",
        status_page="https://status.huggingface.co",
    ),
    "elevenlabs": ServiceFacts(
        "https://api.elevenlabs.io",
        key="elevenlabs_api_key",
        address_setting="elevenlabs_base_url",
        model_settings=("elevenlabs_model", "elevenlabs_voice"),
        keys_page="https://elevenlabs.io/app/settings/api-keys",
        credit_page="https://elevenlabs.io/app/subscription",
        status_page="https://status.elevenlabs.io",
    ),
    "gtts": ServiceFacts("https://translate.google.com"),
}
"""By the engine's name; the embedded engines and the local model have no service."""

KEYS = ("DEEPGRAM_API_KEY", "GROQ_API_KEY", "OPENAI_API_KEY", "ELEVENLABS_API_KEY")
"""The settings that make `auto` use a service."""
