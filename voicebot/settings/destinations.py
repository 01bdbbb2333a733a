"""Tells which engines work on this machine, and on which hosts the services of the others run."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from urllib.parse import urlsplit

from voicebot.engines.llm.local_servers import LLAMA_CPP_ADDRESS, OLLAMA_ADDRESS
from voicebot.settings.config import Settings
from voicebot.settings.registry import ALL, LOCAL, SERVICES

EMBEDDED = ALL.keys() - SERVICES.keys() - {LOCAL}
"""The engines that work inside this process or on this machine, and send nothing away."""


def host_of(engine: str, settings: Settings) -> str | None:
    """Returns the host of an engine's service if the operator has chosen one; None for the service's usual host."""
    if engine == LOCAL:
        return next(filter(None, map(_foreign_host, local_addresses(settings))), "127.0.0.1")
    address = SERVICES[engine].given_address(settings) if engine in SERVICES else None
    return None if address is None else urlsplit(address).hostname


def is_this_machine(host: str) -> bool:
    """Returns whether a host name or address is the loopback one. No name is looked up."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _foreign_host(address: str) -> str | None:
    """Returns the host of an address; None if it is this machine."""
    host = urlsplit(address).hostname or ""
    return None if is_this_machine(host) else host


def local_addresses(settings: Settings) -> tuple[str, ...]:
    """Returns the addresses, without a path, at which the operator's own model server may be."""
    if _names_a_server(settings):
        assert settings.openai_base_url is not None
        return (settings.openai_base_url.removesuffix("/v1"),)
    return (settings.ollama_host or OLLAMA_ADDRESS, LLAMA_CPP_ADDRESS)


def local_models(settings: Settings) -> Sequence[str]:
    """Returns the models to ask the operator's own server for; empty if the operator names none."""
    if settings.local_model or not _names_a_server(settings) or "openai_model" not in settings.model_fields_set:
        return settings.local_model
    return settings.openai_model


def _names_a_server(settings: Settings) -> bool:
    """Returns whether OPENAI_BASE_URL is the address of a server without a key."""
    return settings.openai_base_url is not None and settings.openai_api_key is None
