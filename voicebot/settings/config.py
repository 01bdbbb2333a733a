"""Reads the settings from the environment and `.env`. No other module reads them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import unquote, urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, DotEnvSettingsSource, EnvSettingsSource, NoDecode, SettingsConfigDict

from voicebot.dialogue.end_of_turn.turn_end import EndpointingDelays
from voicebot.dialogue.endpointing import EndpointRules
from voicebot.dialogue.preferences import InterruptedHistory, Preferences, Sensitivity
from voicebot.dialogue.state import Rules
from voicebot.settings import space
from voicebot.settings.tuning import Tuning


def _none_if_blank(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


def _secret(value: Any) -> Any:
    """Strips the space that is often copied with a key. A key with a space inside could not be sent in a header."""
    value = _none_if_blank(value)
    if not isinstance(value, str):
        return value
    if not value.strip().isascii() or any(char.isspace() for char in value.strip()):
        raise ValueError("The value must be ASCII without spaces")
    return value.strip()


def _url(value: str | None) -> str | None:
    """Checks the address of a service, and strips slashes from its end."""
    if value is None:
        return None
    value = value.strip().rstrip("/")
    try:
        parts = urlsplit(value)
        is_valid = (parts.port is None or parts.port > 0) and bool((parts.hostname or "").encode("idna"))
    except ValueError:  # or UnicodeError, its subclass
        is_valid = False
    if not is_valid or parts.scheme not in ("http", "https", "ws", "wss"):
        raise ValueError("The value must be an address such as https://host or http://127.0.0.1:8080")
    return value


def _ollama_host(value: str | None) -> str | None:
    """Returns Ollama's address. The variable says where Ollama listens, such as "0.0.0.0" or "gpu.lan:11434"."""
    if value is None:
        return None
    scheme, separator, rest = value.strip().rpartition("://")
    host = rest.partition("/")[0]
    if host.count(":") > 1 and not host.startswith("["):
        host = f"[{host}]"  # an IPv6 address
    address = _url(f"{scheme or 'http'}://{'127.0.0.1' if host.startswith(':') else ''}{host}")
    assert address is not None
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or "@" in address:
        raise ValueError("The value must be an address such as 127.0.0.1:11434 or http://gpu.lan:11434")
    usual_port = {"http": 80, "https": 443}[parts.scheme] if separator else OLLAMA_PORT
    # A server that listens on all addresses is reached at the loopback address.
    name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(parts.hostname or "", parts.hostname or "")
    return f"{parts.scheme}://{f'[{name}]' if ':' in name else name}:{parts.port or usual_port}"


def _split(value: Any) -> Any:
    return tuple(name.strip() for name in value.split(",") if name.strip()) if isinstance(value, str) else value


def _split_lower(value: Any) -> Any:
    return _split(value.lower()) if isinstance(value, str) else value


def _models(value: Any) -> Any:
    names = _split(value)
    if not names:
        raise ValueError("The value must name at least one model")
    return names


def _check_engines(value: tuple[str, ...]) -> tuple[str, ...]:
    if not value:
        raise ValueError("The value must name an engine; `auto` takes the best that can work here")
    if len(set(value)) < len(value) or (AUTO in value and len(value) > 1):
        raise ValueError("The value must be `auto`, or different engines in the order in which they are to be tried")
    return value


def _user_name(value: str | None) -> str | None:
    if value is not None and (":" in value or not value.isprintable()):
        raise ValueError("The name must be printable and without a colon, which would end it in HTTP Basic")
    return value


def _check_origins(value: tuple[str, ...]) -> tuple[str, ...]:
    for origin in value:
        _url(origin)
        parts = urlsplit(origin)
        if parts.scheme not in ("http", "https") or f"{parts.scheme}://{parts.netloc}" != origin or "@" in origin:
            raise ValueError("The values must be addresses such as https://example.org, without a path")
    return value


def _check_hosts(value: tuple[str, ...]) -> tuple[str, ...]:
    for name in value:
        if not re.fullmatch(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\]", name):
            raise ValueError("The values must be names such as bot.example.org, without a scheme, a port or a path")
    return value


def _http_url(value: str | None) -> str | None:
    value = _url(value)
    if value is not None and urlsplit(value).scheme not in ("http", "https"):
        raise ValueError("The value must be an address such as http://127.0.0.1:4318")
    return value


def _headers(text: str) -> dict[str, str]:
    """Parses OpenTelemetry's format: percent-encoded `name=value` pairs, separated by commas. Raises ValueError."""
    headers = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = (unquote(part).strip() for part in pair.partition("="))
        if (
            not equals
            or not re.fullmatch(r"[!#$%&'*+.^`|~\w-]+", name, re.ASCII)
            or not (value.isascii() and value.isprintable())
        ):
            raise ValueError("The value must be name=value pairs, separated by commas")
        headers[name.lower()] = value
    return headers


def _check_headers(value: SecretStr | None) -> SecretStr | None:
    if value is not None:
        _headers(value.get_secret_value())
    return value


def _database_url(value: SecretStr | None) -> SecretStr | None:
    if value is None:
        return None
    from sqlalchemy.engine import make_url  # loading it takes a third of a second, so it is loaded only when needed
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(value.get_secret_value().strip())
    except (ArgumentError, ValueError):
        url = make_url("nonsense://")
    in_a_file = url.drivername == "sqlite" and not url.host and url.database != ":memory:"
    if not url.database or not (in_a_file or url.drivername in ("postgres", "postgresql")):
        raise ValueError(
            "The value must be an address such as sqlite:///file.db or postgresql://user:password@host/database"
        )
    return SecretStr(value.get_secret_value().strip())


def _persona(value: str) -> str:
    """Checks the name of a persona, which is in lower case, or the path of a persona's file."""
    value = value.strip()
    if not _is_path(value):
        value = value.lower()
        if not re.fullmatch(r"[a-z0-9_-]+", value):
            raise ValueError("The value must be a name such as assistant, or the path of a file such as ./pirate.md")
    return value


def _is_path(persona: str) -> bool:
    return "/" in persona or persona.endswith(".md")


AUTO = "auto"
OLLAMA_PORT = 11434
SttName = Literal["auto", "deepgram", "deepgram-rest", "moonshine"]
LlmName = Literal["auto", "groq", "openai", "openai-realtime", "local", "huggingface", "offline"]
TtsName = Literal["auto", "elevenlabs", "gtts", "hibari", "espeak"]
TurnName = Literal["auto", "none", "static", "cloudflare", "hf"]

TURN_KEYS = {
    "static": "turn_url",
    "cloudflare": "cloudflare_turn_key_id",
    "hf": "hf_token",
}
"""For each provider of a TURN relay, the setting without which it cannot be used."""

Secret = Annotated[SecretStr | None, BeforeValidator(_secret)]
UserName = Annotated[str | None, BeforeValidator(_none_if_blank), AfterValidator(_user_name)]
Password = Annotated[SecretStr | None, BeforeValidator(_none_if_blank)]
DatabaseUrl = Annotated[SecretStr | None, BeforeValidator(_none_if_blank), AfterValidator(_database_url)]
Text = Annotated[str | None, BeforeValidator(_none_if_blank)]
Url = Annotated[str | None, BeforeValidator(_none_if_blank), AfterValidator(_url)]
HttpUrl = Annotated[str | None, BeforeValidator(_none_if_blank), AfterValidator(_http_url)]
Headers = Annotated[SecretStr | None, BeforeValidator(_none_if_blank), AfterValidator(_check_headers)]
Models = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_models)]
"""The names of one or more models, in the order of preference."""
PersonaSetting = Annotated[str, AfterValidator(_persona)]
"""The name of a persona of the package, or the path of a file."""
OptionalModels = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
SttEngines = Annotated[tuple[SttName, ...], NoDecode, BeforeValidator(_split_lower), AfterValidator(_check_engines)]
LlmEngines = Annotated[tuple[LlmName, ...], NoDecode, BeforeValidator(_split_lower), AfterValidator(_check_engines)]
TtsEngines = Annotated[tuple[TtsName, ...], NoDecode, BeforeValidator(_split_lower), AfterValidator(_check_engines)]
WebOrigins = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split_lower), AfterValidator(_check_origins)]
HostNames = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split_lower), AfterValidator(_check_hosts)]
OllamaHost = Annotated[str | None, BeforeValidator(_none_if_blank), AfterValidator(_ollama_host)]
Milliseconds = Annotated[int, Field(ge=0, le=600_000)]


class SettingsError(Exception):
    """The settings cannot be used. The text has one line for each problem, and never the value of a secret."""


class Settings(BaseSettings):
    """The settings. They are read once at the start, from the environment and the file `.env`."""

    model_config = SettingsConfigDict(env_file=".env", env_file_encoding="utf-8", extra="ignore", frozen=True)

    # Engines: `auto` takes the best that can work here. Several engines, separated by commas, are tried in that order.
    stt_engine: SttEngines = ("auto",)
    llm_engine: LlmEngines = ("auto",)
    tts_engine: TtsEngines = ("auto",)
    language: str = Field(default="en", pattern=r"^[a-z]{2}$")
    persona: PersonaSetting = "assistant"
    moonshine_model: Literal["tiny-en", "base-en"] = "tiny-en"

    # Services: `auto` uses those with a key. An address is for a self-hosted service, a gateway or a compatible one.
    deepgram_api_key: Secret = None
    deepgram_base_url: Url = None
    deepgram_model: str = Field(default="nova-3", pattern=r"^[\w.:-]+$")
    groq_api_key: Secret = None
    groq_base_url: Url = None
    # Groq shut Llama 3.3 down on 2026-08-16, except for customers with a contract; gpt-oss-120b is its successor.
    groq_model: Models = ("openai/gpt-oss-120b", "llama-3.3-70b-versatile")
    openai_api_key: Secret = None
    openai_base_url: Url = None
    # OpenAI shuts gpt-4o-mini down on 2027-01-14 and gpt-realtime on 2027-01-20 (docstrings in the openai SDK 3.57,
    # types/shared/chat_model.py). The first models are their successors; the others are for accounts without these.
    openai_model: Models = ("gpt-6-luna", "gpt-5.4-mini", "gpt-4o-mini")
    openai_realtime_model: Models = ("gpt-realtime-2.1", "gpt-realtime")
    # Ollama's own variable for its address; without it Ollama is looked for on this machine.
    ollama_host: OllamaHost = None
    # The models to use there; without it the server's own choice.
    local_model: OptionalModels = ()
    huggingface_base_url: Url = None
    huggingface_model: Models = ("openai/gpt-oss-120b", "meta-llama/Llama-3.3-70B-Instruct")
    elevenlabs_api_key: Secret = None
    elevenlabs_base_url: Url = None
    elevenlabs_voice: Text = None
    elevenlabs_model: str = Field(default="eleven_flash_v2_5", pattern=r"^[\w.-]+$")

    # Turn-taking.
    vad_stop_ms: int = Field(default=500, ge=64, le=5_000)
    preemptive_replies: bool = True
    idle_timeout_s: float = Field(default=120, ge=0, le=86_400, allow_inf_nan=False)
    resume_rewind: Literal["none", "word"] = "none"
    interrupted_history: InterruptedHistory = InterruptedHistory.HEARD
    interruption_sensitivity: Sensitivity = Sensitivity.BALANCED

    # What happens when the model writes faster than the voice speaks: it waits, or the oldest sentence is dropped.
    tts_overflow: Literal["block", "drop-oldest"] = "block"

    # WebRTC: a TURN relay, for networks that let no media through, and STUN, for servers behind a NAT.
    stun_url: Text = None
    turn_url: Text = None
    turn_username: Text = None
    turn_credential: Secret = None
    turn_secret: Secret = None

    # Services that provide a relay, with credentials that expire.
    cloudflare_turn_key_id: Text = None
    cloudflare_turn_key_api_token: Annotated[Secret, Field(validate_default=True)] = None
    hf_token: Secret = None
    turn_provider: Annotated[TurnName, Field(validate_default=True)] = "auto"

    # The web server, with Gradio's own names. Without a port it takes the first free one from 7860 on.
    gradio_server_name: str = "127.0.0.1"
    gradio_server_port: Annotated[int | None, BeforeValidator(_none_if_blank)] = Field(default=None, ge=0, le=65_535)

    # Access: a login, other sites whose pages may connect, the names of the server, and proxies in front of it.
    app_username: UserName = None
    app_password: Password = Field(default=None, validate_default=True)
    metrics_public: bool = False
    allowed_origins: WebOrigins = ()
    allowed_hosts: HostNames = ()
    trusted_proxies: int = Field(default=0, ge=0, le=10)

    # Stored conversations: without a URL in a file in the working directory; deleted some days after the last message.
    keep_conversations: bool = True
    database_url: DatabaseUrl = None
    retention_days: float = Field(default=30, ge=0, le=36_500, allow_inf_nan=False)

    # Recordings for users to download: the most minutes of a session; 0: nothing is recorded.
    recording_minutes: float = Field(default=30, ge=0, le=360, allow_inf_nan=False)

    # Hugging Face sets these on a Space. With `space_id` the defaults of `space.DEFAULTS` apply.
    space_id: Text = None
    space_host: Text = None
    spaces_zero_gpu: bool = False

    # Limits.
    max_sessions: int = Field(default=8, ge=1, le=1_000)
    session_minutes: float = Field(default=30, gt=0, le=24 * 60, allow_inf_nan=False)
    max_sessions_per_address: int = Field(default=4, ge=0, le=1_000)
    minutes_per_day_per_address: float = Field(default=0, ge=0, le=24 * 60, allow_inf_nan=False)
    turns_per_day: int = Field(default=0, ge=0, le=10_000_000)
    offers_per_minute: int = Field(default=60, ge=1, le=10_000)

    # Traces of turns for an OpenTelemetry collector over OTLP/HTTP, with OpenTelemetry's own names.
    otel_exporter_otlp_endpoint: HttpUrl = None
    otel_exporter_otlp_headers: Headers = None
    otel_service_name: str = Field(default="voicebot", min_length=1)

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    # The alias keeps it out of the environment, as no variable can have this name.
    tuning: Tuning = Field(default=Tuning(), validation_alias="=")

    @model_validator(mode="before")
    @classmethod
    def _on_a_space(cls, given: dict[str, Any]) -> dict[str, Any]:
        if not _none_if_blank(given.get("space_id")):
            return given
        paid = any(_none_if_blank(given.get(key)) for key in space.PAID_KEYS) or any(
            name in str(given.get("llm_engine")).lower() for name in space.PAID_ENGINES
        )
        return {**space.DEFAULTS, **(space.DEFAULTS_WITH_KEYS if paid else {}), **given}

    @field_validator("language", "resume_rewind", "turn_provider", mode="before")
    @classmethod
    def _lower(cls, value: Any) -> Any:
        return value.strip().lower() if isinstance(value, str) else value

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: Any) -> Any:
        return value.strip().upper() if isinstance(value, str) else value

    @field_validator("app_password")
    @classmethod
    def _goes_with_the_user_name(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if "app_username" in info.data and (info.data["app_username"] is None) != (value is None):
            raise ValueError(_unpaired(value, "APP_USERNAME"))
        return value

    @field_validator("cloudflare_turn_key_api_token")
    @classmethod
    def _goes_with_its_key_id(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        name = "cloudflare_turn_key_id"
        if name in info.data and (info.data[name] is None) != (value is None):
            raise ValueError(_unpaired(value, name.upper()))
        return value

    @field_validator("turn_provider")
    @classmethod
    def _has_its_keys(cls, value: TurnName, info: ValidationInfo) -> TurnName:
        if (key := TURN_KEYS.get(value)) is not None and key in info.data and info.data[key] is None:
            raise ValueError(f"The provider {value} needs {key.upper()}")
        return value

    @field_validator("turn_url")
    @classmethod
    def _is_turn(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("turn:", "turns:")):
            raise ValueError("The value must begin with turn: or turns:")
        return value

    @field_validator("stun_url")
    @classmethod
    def _is_stun(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("stun:", "stuns:")):
            raise ValueError("The value must begin with stun: or stuns:")
        return value

    @property
    def rules(self) -> Rules:
        return Rules(
            language=self.language,
            debounce_s=self.tuning.debounce_s,
            endpointing_delays=self._endpointing_delays,
            preemptive_replies=self.preemptive_replies,
            speech_timeout_s=self.endpoint_rules.longest_s + 5,
            verdict_timeout_s=self.tuning.verdict_timeout_s,
            transcript_timeout_s=self.tuning.transcript_timeout_s,
            interrupted_history=self.interrupted_history,
            sensitivity=self.interruption_sensitivity,
            idle_timeout_s=self.idle_timeout_s,
            idle_goodbye_s=self.tuning.idle_goodbye_s,
        )

    @property
    def preferences(self) -> Preferences:
        """The preferences with which a session begins. Its user may change them."""
        return Preferences(
            persona=self.persona_name,
            language=self.language,
            sensitivity=self.interruption_sensitivity,
            interrupted_history=self.interrupted_history,
        )

    @property
    def persona_file(self) -> Path | None:
        """The file of the operator's own persona; None if the setting names a persona of the package."""
        return Path(self.persona) if _is_path(self.persona) else None

    @property
    def persona_name(self) -> str:
        return self.persona if self.persona_file is None else self.persona_file.name.removesuffix(".md")

    @property
    def endpoint_rules(self) -> EndpointRules:
        return EndpointRules(
            start_s=self.tuning.vad_start_s,
            stop_s=self.vad_stop_ms / 1000,
            sure_s=self._endpointing_delays.unknown_s,
            threshold=self.tuning.vad_threshold,
        )

    @property
    def _endpointing_delays(self) -> EndpointingDelays:
        return EndpointingDelays().scaled(self.vad_stop_ms / 1000)

    @property
    def otlp_headers(self) -> dict[str, str]:
        headers = self.otel_exporter_otlp_headers
        return {} if headers is None else _headers(headers.get_secret_value())


def _unpaired(value: object, other: str) -> str:
    """Returns the error for a setting and its counterpart `other` of which only one is set."""
    return f"This setting is missing, but {other} is set" if value is None else f"This setting needs {other}"


SETTINGS = tuple(name for name in Settings.model_fields if name != "tuning")
"""The names of all settings, in lower case."""


def load(**overrides: Any) -> Settings:
    """Returns the settings. `overrides` replace settings, or figures of `Tuning`, by name.

    Raises SettingsError with one line for each setting that is wrong.
    """
    figures = {name: overrides.pop(name) for name in Tuning.model_fields if name in overrides}
    if figures:
        overrides["="] = Tuning(**figures)
    try:
        return Settings(**overrides)
    except ValidationError as error:
        lines = []
        for problem in error.errors(include_url=False, include_input=False):
            name = "_".join(part for part in problem["loc"] if isinstance(part, str)).upper() or "settings"
            lines.append(f"{name}: {problem['msg'].removeprefix('Value error, ')}")
        raise SettingsError("\n".join(lines)) from None


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a setting was found, without its value."""

    in_file: bool
    """True if it was found in `.env`, False if in the environment, which takes precedence."""
    blank: bool = False
    """True if the value is blank. The setting then counts as not set."""
    hides_file: bool = False
    """True if the value from the environment hides another one in `.env`."""


def origins() -> dict[str, Origin]:
    """Returns, by name in capitals, where each setting was found that the environment or `.env` contains."""
    environment, file = EnvSettingsSource(Settings)(), DotEnvSettingsSource(Settings)()
    found = {}
    for name in SETTINGS:
        in_file = _none_if_blank(file.get(name)) is not None
        if name in environment:
            blank = _none_if_blank(environment[name]) is None
            found[name.upper()] = Origin(in_file=False, blank=blank, hides_file=in_file)
        elif name in file:
            found[name.upper()] = Origin(in_file=True, blank=not in_file)
    return found


def settings_file() -> Path | None:
    """Returns the path of the `.env` file in the working directory; None if there is none."""
    name = Settings.model_config.get("env_file")
    path = Path(name) if isinstance(name, str) else None
    return path.resolve() if path is not None and path.is_file() else None
