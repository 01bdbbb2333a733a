"""What to do about an engine that failed: which setting to look at, and where to go."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from voicebot.check.results import CheckedStage, Trial
from voicebot.check.services import SERVICES, ServiceFacts
from voicebot.engines.destinations import LOCAL
from voicebot.engines.errors import EngineError, Fault
from voicebot.settings.config import Settings

REINSTALL = "Install the packages again: pip install -r requirements.txt"

ASKED_AGAIN = frozenset({Fault.UNREACHABLE, Fault.TIMEOUT})
"""Failures for which it is tried whether the service's host can be reached at all."""

CLOSE = 0.4
"""How alike two names must be, from 0 to 1, to be told in place of one another."""
MOST_NAMES = 6


def reason(trial: Trial, settings: Settings) -> str:
    """Why the engine failed, in words."""
    error, service = trial.error, SERVICES.get(trial.engine)
    assert error is not None
    if service is None or error.fault not in ASKED_AGAIN:
        return error.message
    host = service.host(settings)
    if trial.obstacle is not None:
        return f"no connection to {host}: {trial.obstacle}"
    return f"{error.message} ({host} takes connections, but does no more)"


def advice(trial: Trial, stage: CheckedStage, settings: Settings) -> str:
    """What to do about it, in sentences."""
    assert trial.error is not None
    service = SERVICES.get(trial.engine)
    if trial.engine == LOCAL:
        return _of_local_model(trial.error)
    if service is None:
        voice = "Check ESPEAK_VOICE. " if trial.engine == "espeak" and settings.espeak_voice else ""
        return f"{voice}{REINSTALL}"
    if service.key is None:
        return _without_account(trial.error, stage)
    return _with_account(trial.error, trial.listed, service, settings)


def _with_account(error: EngineError, listed: Sequence[str], service: ServiceFacts, settings: Settings) -> str:
    key, address = str(service.key).upper(), str(service.address_setting).upper()
    models = " and ".join(name.upper() for name in service.model_settings)
    host, is_own = service.host(settings), service.own_address(settings) is not None
    match error.fault:
        case Fault.DENIED if getattr(settings, str(service.key)) is None:
            return f"Set {key}: the service at {host} wants one."
        case Fault.DENIED:
            where = f"It must be one of the service at {host}." if is_own else f"Your keys: {service.keys_page}"
            return f"Check {key}. {where}"
        case Fault.UNPAID:
            return (
                f"The service at {host} says so: ask those who run it."
                if is_own
                else f"Add credit, or choose another plan: {service.credit_page}"
            )
        case Fault.REJECTED | Fault.MISSING | Fault.UNSUITABLE:
            language = " and LANGUAGE" if service.key == "deepgram_api_key" else ""
            own = f" and {address}" if is_own else ""
            path = ", which mostly ends in /v1" if is_own and service.key == "openai_api_key" else ""
            return f"Check {models}{language}{own}{path}.{_names(service.models(settings), listed)}"
        case Fault.LIMITED:
            when = f"{error.retry_after_s:g} s" if error.retry_after_s else "a minute"
            page = f" Your limits: {service.limits_page}" if service.limits_page and not is_own else ""
            return f"Wait {when} and run the check again.{page}"
        case Fault.UNREACHABLE if is_own:
            return f"Is the service running there? Check {address}."
        case Fault.UNREACHABLE:
            return f"Is this machine online? If it needs a proxy, set HTTPS_PROXY; for another address, {address}."
        case Fault.TIMEOUT | Fault.SERVER if is_own:
            return f"Look at the log of the service at {host}: it may still be starting, or loading a model."
        case Fault.TIMEOUT | Fault.SERVER:
            return f"The service may be in trouble: see {service.status_page}, and run the check again later."
        case Fault.BROKEN if is_own:
            return f"Check {address}: is it the address of such a service, and not of something in front of it?"
        case Fault.BROKEN:
            return f"Something on the way, such as a proxy, may cut or change answers. See also {service.status_page}"


def _of_local_model(error: EngineError) -> str:
    """For a server that must be found before it can be asked."""
    match error.fault:
        case Fault.UNREACHABLE | Fault.BROKEN:
            return "Start Ollama or llama.cpp's server, or say where it is: OLLAMA_HOST, or OPENAI_BASE_URL."
        case Fault.MISSING:
            return "Get a model that can chat, such as by: ollama pull llama3.2. LOCAL_MODEL says which one is used."
        case Fault.DENIED:
            return "Set OPENAI_BASE_URL and OPENAI_API_KEY, and run the check again."
        case _:
            return "Look at the log of the server: it may be loading its model, or the model does not fit into memory."


def _without_account(error: EngineError, stage: CheckedStage) -> str:
    """For gTTS, to which nobody has a key."""
    match error.fault:
        case Fault.UNREACHABLE:
            return f"Is this machine online? If it needs a proxy, set HTTPS_PROXY. Or leave it out of {stage}."
        case Fault.DENIED | Fault.LIMITED:
            return f"Google turns away addresses that ask often, for hours. Leave it out of {stage} to do without it."
        case _:
            return f"It is a service without a promise. Run the check again later, or leave it out of {stage}."


def _names(wanted: Sequence[str], listed: Sequence[str]) -> str:
    """The models that the service has: those whose names are most like the ones that are wanted, if any are."""
    if not listed:
        return ""
    close = dict.fromkeys(name for each in wanted for name in get_close_matches(each, listed, MOST_NAMES, CLOSE))
    shown = [*(close or sorted(listed))][:MOST_NAMES]
    more = f" and {len(listed) - len(shown)} more" if len(listed) > len(shown) else ""
    return f" The service has {', '.join(shown)}{more}."
