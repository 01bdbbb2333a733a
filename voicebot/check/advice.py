"""Why an engine failed and what to do about it: which setting to check, and which web page helps."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from voicebot.agent.loading import where_it_failed
from voicebot.check.results import CheckedStage, Trial
from voicebot.engines.errors import EngineError, Fault, GraphError
from voicebot.settings.config import Settings
from voicebot.settings.registry import ALL, LOCAL, SERVICES, ServiceFacts

REINSTALL = "Install the packages again: pip install -r requirements.txt"

MAX_NAMES = 6
SIMILARITY = 0.4
"""How similar a model's name must be to a configured one to be suggested instead (`difflib`, 0 to 1)."""


def reason(trial: Trial, settings: Settings) -> str:
    """Returns why the engine failed."""
    assert trial.error is not None
    service = SERVICES.get(trial.engine)
    match trial.error.fault:
        case Fault.UNREACHABLE if service is not None:
            return f"{trial.error.message} to {service.host(settings)}"
        case Fault.TIMEOUT if service is not None:
            return f"{trial.error.message} from {service.host(settings)}"
        case _:
            return trial.error.message


def advice(trial: Trial, stage: CheckedStage, settings: Settings) -> str:
    """Returns what to do about the failure, in sentences."""
    assert trial.error is not None
    service = SERVICES.get(trial.engine)
    if isinstance(trial.error, GraphError) or (stage is CheckedStage.ANSWER and trial.engine not in ALL):
        return f"Look at AGENT: {settings.agent}.{_place_of(trial.error)}"
    if trial.engine == LOCAL:
        return _for_local_model(trial.error)
    if service is None:
        return REINSTALL
    if service.key is None:
        return _without_key(trial.error, stage)
    if service.own_address(settings) is not None:
        return _at_own_address(trial.error, trial.listed, service, settings)
    return _for_public_service(trial.error, trial.listed, service, settings)


def _place_of(error: EngineError) -> str:
    """Returns the line of the operator's code that the error came from, unless its message has it already."""
    if error.__cause__ is None:
        return ""
    place = where_it_failed(error.__cause__).partition(" at ")[2]
    return f" It failed at {place}." if place and place not in error.message else ""


def _for_public_service(error: EngineError, listed: Sequence[str], service: ServiceFacts, settings: Settings) -> str:
    match error.fault:
        case Fault.DENIED:
            return f"Check {_name(service.key)}. Your keys: {service.console}"
        case Fault.UNPAID:
            return f"Add credit, or choose another plan: {service.console}"
        case Fault.REJECTED | Fault.MISSING | Fault.UNSUITABLE:
            language = " and LANGUAGE" if service.key == "deepgram_api_key" else ""
            return f"Check {_models(service)}{language}.{_suggestions(service.models(settings), listed)}"
        case Fault.LIMITED:
            return f"{_wait_advice(error)} Your limits: {service.console}"
        case Fault.UNREACHABLE:
            address = _name(service.address_setting)
            return f"Is this machine online? If it needs a proxy, set HTTPS_PROXY; for another address, {address}."
        case Fault.TIMEOUT | Fault.SERVER:
            return f"The service may be in trouble: see {service.status_page}, and run the check again later."
        case Fault.BROKEN:
            return f"A proxy on the way may cut or change answers. See also {service.status_page}"


def _at_own_address(error: EngineError, listed: Sequence[str], service: ServiceFacts, settings: Settings) -> str:
    """Returns the advice for a service at an address of the user's own, such as a gateway."""
    key, address, host = _name(service.key), _name(service.address_setting), service.host(settings)
    match error.fault:
        case Fault.DENIED if getattr(settings, str(service.key)) is None:
            return f"Set {key}: the service at {host} wants one."
        case Fault.DENIED:
            return f"Check {key}. It must be a key of the service at {host}."
        case Fault.UNPAID:
            return f"The service at {host} says so: ask its operator."
        case Fault.REJECTED | Fault.MISSING | Fault.UNSUITABLE:
            path = ", which mostly ends in /v1" if service.key == "openai_api_key" else ""
            suggestions = _suggestions(service.models(settings), listed)
            return f"Check {_models(service)} and {address}{path}.{suggestions}"
        case Fault.LIMITED:
            return _wait_advice(error)
        case Fault.UNREACHABLE:
            return f"Is the service running there? Check {address}."
        case Fault.TIMEOUT | Fault.SERVER:
            return f"Look at the log of the service at {host}: it may still be starting, or loading a model."
        case Fault.BROKEN:
            return f"Check {address}: is it the address of such a service, and not of something in front of it?"


def _for_local_model(error: EngineError) -> str:
    """Returns the advice for a server of the user's own, which is found before it is asked."""
    match error.fault:
        case Fault.UNREACHABLE | Fault.BROKEN:
            return "Start Ollama or llama.cpp's server, or say where it is: OLLAMA_HOST, or OPENAI_BASE_URL."
        case Fault.MISSING:
            return "Get a model that can chat, such as by: ollama pull llama3.2. LOCAL_MODEL says which one is used."
        case Fault.DENIED:
            return "Set OPENAI_BASE_URL and OPENAI_API_KEY, and run the check again."
        case _:
            return "Look at the log of the server: it may be loading its model, or the model does not fit into memory."


def _without_key(error: EngineError, stage: CheckedStage) -> str:
    """Returns the advice for gTTS, which takes no key."""
    match error.fault:
        case Fault.UNREACHABLE:
            return f"Is this machine online? If it needs a proxy, set HTTPS_PROXY. Or leave it out of {stage}."
        case Fault.DENIED | Fault.LIMITED:
            return f"Google refuses addresses that ask often, for hours. Leave it out of {stage} to do without it."
        case _:
            return f"This service promises nothing. Run the check again later, or leave it out of {stage}."


def _name(setting: str | None) -> str:
    return str(setting).upper()


def _models(service: ServiceFacts) -> str:
    return " and ".join(map(_name, service.model_settings))


def _wait_advice(error: EngineError) -> str:
    return f"Wait {f'{error.retry_after_s:g} s' if error.retry_after_s else 'a minute'} and run the check again."


def _suggestions(wanted: Sequence[str], listed: Sequence[str]) -> str:
    """Returns the service's models whose names are most similar to the wanted ones, or else the first ones."""
    if not listed:
        return ""
    similar = dict.fromkeys(name for each in wanted for name in get_close_matches(each, listed, MAX_NAMES, SIMILARITY))
    shown = [*(similar or sorted(listed))][:MAX_NAMES]
    more = f" and {len(listed) - len(shown)} more" if len(listed) > len(shown) else ""
    return f" The service has {', '.join(shown)}{more}."
