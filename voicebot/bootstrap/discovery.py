"""Finds out at the start what `LLM_ENGINE=auto` may use: a local model server, and the permissions of HF_TOKEN."""

from __future__ import annotations

import asyncio
import queue
import threading

from voicebot.engines.errors import EngineError, Fault
from voicebot.engines.llm.local_servers import find, new_client
from voicebot.settings import space
from voicebot.settings.config import Settings
from voicebot.settings.destinations import local_addresses, local_models
from voicebot.settings.registry import AUTO, Found

LOCAL_S = 0.3
"""How long all local servers together may take to answer. The start takes longer by this at most."""

TOKEN_S = 2.0
"""How long Hugging Face may take to report the token's permissions. Without a token it is not asked."""


def discover(settings: Settings) -> Found:
    """Finds out what `auto` may use, within `TOKEN_S` and `LOCAL_S` together. Asks no server if engines are named."""
    if AUTO not in settings.llm_engine:
        return Found()
    if settings.hf_token is not None:
        # Loaded before the time for the answer begins, as loading takes long on a busy machine.
        import voicebot.engines.llm.huggingface  # noqa: F401
    answer: queue.SimpleQueue[Found] = queue.SimpleQueue()
    # A daemon thread, which need not end in time: a name lookup can take half a minute to fail.
    threading.Thread(target=lambda: answer.put(_found(settings)), name="discovery", daemon=True).start()
    try:
        return answer.get(timeout=TOKEN_S + LOCAL_S)
    except queue.Empty:
        return Found(remarks=("The search for models took too long.",))


def _found(settings: Settings) -> Found:
    try:
        return asyncio.run(_ask(settings))
    except Exception as error:  # noqa: BLE001 - boundary: no answer of another server may keep the app from starting
        return Found(remarks=(f"The search for models failed: {type(error).__name__}.",))


def with_costs(settings: Settings, found: Found) -> Settings:
    """Returns the settings, with the limits for paid engines if this is a Space that uses Hugging Face's models."""
    if settings.space_id is None or not found.huggingface:
        return settings
    unset = {name: value for name, value in space.DEFAULTS_WITH_KEYS.items() if name not in settings.model_fields_set}
    return settings.model_copy(update=unset)


async def _ask(settings: Settings) -> Found:
    local, (huggingface, remark) = await asyncio.gather(_local(settings), _huggingface(settings))
    return Found(local, huggingface, tuple(filter(None, (remark,))))


async def _local(settings: Settings) -> bool:
    addresses = local_addresses(settings)
    async with new_client(addresses) as client:
        try:
            await find(client, addresses, local_models(settings), LOCAL_S, ())
        except EngineError as error:
            return error.fault is Fault.SERVER  # the server is there, and is still loading its model
    return True


async def _huggingface(settings: Settings) -> tuple[bool, str | None]:
    """Returns True if HF_TOKEN is known to permit inference; otherwise False and a remark why it is not used."""
    if settings.hf_token is None:
        return False, None
    from voicebot.engines.llm.huggingface import may_infer

    try:
        async with asyncio.timeout(TOKEN_S):
            permitted = await may_infer(settings.hf_token.get_secret_value(), settings.huggingface_base_url)
    except TimeoutError:
        return False, _unused(f"Hugging Face did not report the token's permissions within {TOKEN_S:g} s")
    except EngineError as error:
        return False, _unused(f"Hugging Face did not report the token's permissions ({error.message})")
    return permitted, None if permitted else _unused("it lacks the permission for Inference Providers")


def _unused(reason: str) -> str:
    return f"HF_TOKEN is not used for answers: {reason}."
