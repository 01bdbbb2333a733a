"""What `LLM_ENGINE=auto` finds by asking, once, at the start: a model server of one's own, and what HF_TOKEN may do."""

from __future__ import annotations

import asyncio
import queue
import threading
from dataclasses import dataclass

from voicebot.engines.destinations import local_addresses, local_models
from voicebot.engines.errors import EngineError, Fault
from voicebot.engines.llm.local_servers import find, new_client
from voicebot.settings import space
from voicebot.settings.config import AUTO, Settings

LOCAL_S = 0.3
"""How long all servers of one's own together may take to answer: so much longer a start may take at most."""

TOKEN_S = 2.0
"""How long Hugging Face may take to say what the token may do. Only those who have set one wait for it."""


@dataclass(frozen=True, slots=True)
class Found:
    """What was found. `remarks` are sentences about what was there and is not used."""

    local: bool = False
    huggingface: bool = False
    remarks: tuple[str, ...] = ()


def discover(settings: Settings) -> Found:
    """Look for what `auto` may use. Asks nobody if the models are named. Waits `TOKEN_S` and `LOCAL_S` at most."""
    if AUTO not in settings.llm_engine:
        return Found()
    if settings.hf_token is not None:
        # What is loaded here does not have to be loaded within the time for the answer, which a busy machine may need.
        import voicebot.engines.llm.huggingface  # noqa: F401
    answer: queue.SimpleQueue[Found] = queue.SimpleQueue()
    # A thread that nobody waits for: a system that cannot look up a name may need half a minute to say so.
    threading.Thread(target=lambda: answer.put(_found(settings)), name="discovery", daemon=True).start()
    try:
        return answer.get(timeout=TOKEN_S + LOCAL_S)
    except queue.Empty:
        return Found(remarks=("What models there are could not be found out in time.",))


def _found(settings: Settings) -> Found:
    try:
        return asyncio.run(_ask(settings))
    except Exception as error:  # noqa: BLE001 - boundary: no answer of a stranger's may keep the app from starting
        return Found(remarks=(f"What models there are could not be found out: {type(error).__name__}.",))


def with_costs(settings: Settings, found: Found) -> Settings:
    """The settings with the limits that hold on a Space where strangers talk at somebody's cost, if they do now."""
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
            return error.fault is Fault.SERVER  # it is there, and still loads its model
    return True


async def _huggingface(settings: Settings) -> tuple[bool, str | None]:
    """Whether HF_TOKEN is known to permit inference; if not, why it is not used."""
    if settings.hf_token is None:
        return False, None
    from voicebot.engines.llm.huggingface import may_infer

    try:
        async with asyncio.timeout(TOKEN_S):
            permitted = await may_infer(settings.hf_token.get_secret_value(), settings.huggingface_base_url)
    except TimeoutError:
        return False, _unused(f"Hugging Face did not say within {TOKEN_S:g} s what the token may do")
    except EngineError as error:
        return False, _unused(f"Hugging Face did not say what the token may do ({error.message})")
    return permitted, None if permitted else _unused("it does not name the permission for Inference Providers")


def _unused(reason: str) -> str:
    return f"HF_TOKEN is not used for answers: {reason}."
