"""The services behind the engines: their settings, and the web pages that help with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from voicebot.settings.config import Settings


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    """A service. Its settings are named as in `Settings`."""

    address: str
    key: str | None = None
    address_setting: str | None = None
    model_settings: tuple[str, ...] = ()
    console: str | None = None
    """The page on which users see their keys, their credit and their limits."""
    status_page: str | None = None

    def own_address(self, settings: Settings) -> str | None:
        """Returns the address in the settings, such as a gateway's, if it is not the service's public one."""
        given: str | None = None if self.address_setting is None else getattr(settings, self.address_setting)
        is_other = given is not None and urlsplit(given).hostname != urlsplit(self.address).hostname
        return given if is_other else None

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


def _cloud(name: str, address: str, console: str, status_page: str, *models: str) -> ServiceFacts:
    key = "hf_token" if name == "huggingface" else f"{name}_api_key"
    return ServiceFacts(address, key, f"{name}_base_url", models, console, status_page)


_DEEPGRAM = _cloud(
    *("deepgram", "https://api.deepgram.com", "https://console.deepgram.com", "https://status.deepgram.com"),
    "deepgram_model",
)
_OPENAI = ("openai", "https://api.openai.com", "https://platform.openai.com/settings", "https://status.openai.com")

SERVICES: Mapping[str, ServiceFacts] = {
    "deepgram": _DEEPGRAM,
    "deepgram-rest": _DEEPGRAM,
    "groq": _cloud(
        *("groq", "https://api.groq.com", "https://console.groq.com/keys", "https://groqstatus.com"), "groq_model"
    ),
    "openai": _cloud(*_OPENAI, "openai_model"),
    "openai-realtime": _cloud(*_OPENAI, "openai_realtime_model"),
    "huggingface": _cloud(
        *("huggingface", "https://router.huggingface.co", "https://huggingface.co/settings/tokens"),
        *("https://status.huggingface.co", "huggingface_model"),
    ),
    "elevenlabs": _cloud(
        *("elevenlabs", "https://api.elevenlabs.io", "https://elevenlabs.io/app/settings/api-keys"),
        *("https://status.elevenlabs.io", "elevenlabs_model", "elevenlabs_voice"),
    ),
    "gtts": ServiceFacts("https://translate.google.com"),
}
"""The services by the names of their engines. Embedded engines and the local model have none."""

KEYS = ("DEEPGRAM_API_KEY", "GROQ_API_KEY", "OPENAI_API_KEY", "ELEVENLABS_API_KEY")
"""The settings that make `auto` use a service."""
