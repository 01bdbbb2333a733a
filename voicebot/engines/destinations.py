"""Where words go: which engines stay on this machine, and which host the service of another one runs on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from urllib.parse import urlsplit

from voicebot.engines.llm.local_servers import LLAMA_CPP_ADDRESS, OLLAMA_ADDRESS
from voicebot.settings.config import Settings

EMBEDDED = frozenset({"moonshine", "offline", "hibari", "espeak"})
"""Engines that send nothing anywhere."""

LOCAL = "local"
"""The model on a server of one's own."""

ADDRESSES: Mapping[str, str] = {
    "deepgram": "deepgram_base_url",
    "deepgram-rest": "deepgram_base_url",
    "groq": "groq_base_url",
    "openai": "openai_base_url",
    "openai-realtime": "openai_base_url",
    "huggingface": "huggingface_base_url",
    "elevenlabs": "elevenlabs_base_url",
}
"""The setting with the address of an engine's service, if it is not the service's own one."""


def host_of(engine: str, settings: Settings) -> str | None:
    """The host that an engine's service runs on, if the operator has chosen it; None: it is the service's own."""
    if engine == LOCAL:
        return next(filter(None, map(_foreign_host, local_addresses(settings))), "127.0.0.1")
    address = getattr(settings, ADDRESSES[engine]) if engine in ADDRESSES else None
    return None if address is None else urlsplit(address).hostname


def is_this_machine(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _foreign_host(address: str) -> str | None:
    """The host of an address, if it is another machine's."""
    host = urlsplit(address).hostname or ""
    return None if is_this_machine(host) else host


def local_addresses(settings: Settings) -> tuple[str, ...]:
    """Where a server of one's own may be, without a path: where the operator says, else at the usual places."""
    if _names_a_server(settings):
        assert settings.openai_base_url is not None
        return (settings.openai_base_url.removesuffix("/v1"),)
    return (settings.ollama_host or OLLAMA_ADDRESS, LLAMA_CPP_ADDRESS)


def local_models(settings: Settings) -> Sequence[str]:
    """The models that a server of one's own is to be asked for, if the operator names any."""
    if settings.local_model or not _names_a_server(settings) or "openai_model" not in settings.model_fields_set:
        return settings.local_model
    return settings.openai_model


def _names_a_server(settings: Settings) -> bool:
    """Whether OPENAI_BASE_URL is the address of a server that wants no key."""
    return settings.openai_base_url is not None and settings.openai_api_key is None
