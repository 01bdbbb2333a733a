"""Reads the settings from the environment and `.env`. No other module reads them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias
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

from voicebot.dialogue.endpointing import EndpointRules
from voicebot.dialogue.preferences import Endpointing, InterruptedHistory, Preferences, Sensitivity
from voicebot.dialogue.state import Rules
from voicebot.settings import registry, space
from voicebot.settings.annotations import Group, Unit, Values
from voicebot.settings.cores import cores
from voicebot.settings.registry import AUTO
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


def _turn_model(value: str) -> str:
    """Checks the name of the end-of-turn model, or the path of its file."""
    value = value.strip()
    if not value or value.endswith(".onnx"):
        return value
    if value.lower() == SMART_TURN:
        return SMART_TURN
    raise ValueError(f"The value must be {SMART_TURN}, or the path of a file such as ./smart-turn-v3.2-cpu.onnx")


def _graph_reference(value: str | None) -> str | None:
    """Checks the form of a reference; `agent.loading` finds out whether there is such an object."""
    if value is not None:
        place, _, name = value.strip().rpartition(":")
        if not place or not name.isidentifier():
            raise ValueError("The value must be package.module:name or path/file.py:name")
        value = value.strip()
    return value


def _workers(value: Any) -> Any:
    """Returns the number of workers. `auto` stands for one on each core that this process may use."""
    return min(MAX_WORKERS, cores()) if isinstance(value, str) and value.strip().lower() == AUTO else value


def _is_path(persona: str) -> bool:
    return "/" in persona or persona.endswith(".md")


OLLAMA_PORT = 11434
MAX_WORKERS = 64
SMART_TURN = "smart-turn"
"""The end-of-turn model that the setting END_OF_TURN_MODEL names."""
if TYPE_CHECKING:
    SttName: TypeAlias = str
    LlmName: TypeAlias = str
    TtsName: TypeAlias = str
else:  # pydantic refuses names that no engine of the stage has
    SttName = Literal[(AUTO, *(entry.name for entry in registry.STT))]
    LlmName = Literal[(AUTO, *(entry.name for entry in registry.LLM))]
    TtsName = Literal[(AUTO, *(entry.name for entry in registry.TTS))]
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
Url = Annotated[str | None, BeforeValidator(_none_if_blank), AfterValidator(_url), Values("an address")]
HttpUrl = Annotated[str | None, BeforeValidator(_none_if_blank), AfterValidator(_http_url), Values("an address")]
Headers = Annotated[SecretStr | None, BeforeValidator(_none_if_blank), AfterValidator(_check_headers)]
Models = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_models), Values("names, separated by commas")]
"""The names of one or more models, in the order of preference."""
OptionalNames = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split), Values("names, separated by commas")]
OptionalTools = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split), Values("names or paths, with commas")]
PersonaSetting = Annotated[str, AfterValidator(_persona), Values("a name, or the path of a file")]
"""The name of a persona of the package, or the path of a file."""
GraphReference = Annotated[
    str | None,
    BeforeValidator(_none_if_blank),
    AfterValidator(_graph_reference),
    Values("`package.module:name` or `path/file.py:name`"),
]
Workers = Annotated[int, BeforeValidator(_workers), Field(ge=1, le=MAX_WORKERS)]
TurnModel = Annotated[str, AfterValidator(_turn_model), Values("`smart-turn`, or the path of a file")]
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
    """The settings. They are read once at the start, from the environment and the file `.env`.

    `.env.example` and `docs/configuration.md` are generated from this class, its docstrings and its `Group`s, `Unit`s
    and `Values`.
    """

    model_config = SettingsConfigDict(
        env_file=".env", env_file_encoding="utf-8", extra="ignore", frozen=True, use_attribute_docstrings=True
    )

    stt_engine: Annotated[
        SttEngines,
        Group(
            "Engines",
            "The engines of each stage, in the order in which they are tried: when one fails, the next one does the "
            "work. `auto` takes all that can work: services with a key, a model on this machine, then the embedded "
            "engines (docs/engines.md).",
        ),
    ] = ("auto",)
    """Speech to text."""
    llm_engine: LlmEngines = ("auto",)
    """The model that answers."""
    tts_engine: TtsEngines = ("auto",)
    """Text to speech. `auto` uses `gtts`, which needs no key but sends the bot's words to Google, only if a key of
    Deepgram, Groq or OpenAI is set."""
    language: Annotated[str, Values("a two-letter code")] = Field(default="en", pattern=r"^[a-z]{2}$")
    """The language of the conversation; visitors can choose another one. The embedded recogniser and model know only
    English."""
    persona: PersonaSetting = "assistant"
    """Who the bot is: `assistant`, `sales`, or the path of a file of your own, such as `./pirate.md`. Visitors can
    choose another one."""
    moonshine_model: Literal["tiny-en", "base-en"] = "tiny-en"
    """The model of the embedded recogniser. `base-en` is larger and slower; it is downloaded from
    `download.moonshine.ai` on first use (141 MB), and `tiny-en` works meanwhile."""

    agent: Annotated[
        GraphReference,
        Group(
            "Your own agent",
            "Your own code in the place of the built-in agent, or beside it. It runs inside the bot, with all its "
            "rights (docs/extending.md).",
        ),
    ] = None
    """Your own LangGraph graph: `package.module:name` or `path/file.py:name`, of a compiled graph over messages, or of
    a function that is called with `model`, `tools` and `prompt` and returns one. A function gets the models of
    `LLM_ENGINE`; a compiled graph brings its own model."""
    agent_node: OptionalNames = ()
    """The nodes of the graph whose text is spoken. Without it the bot finds the nodes that answer by itself; their
    first reply is then spoken only when it is whole."""
    agent_preemptive: bool = False
    """Your own graph may begin before the user's turn is over: the answer comes sooner, but the graph must have no
    effects outside its tools, because such a reply may be discarded."""
    tools: OptionalTools = ()
    """Your own tools: `package.module:name` or `path/file.py:name` of functions that are decorated with `@pure`,
    `@effects` or `@confirm`, or of LangChain tools; or a folder such as `./my_tools`, with all that its files have. One
    that is called like a built-in tool takes its place."""

    deepgram_api_key: Annotated[
        Secret,
        Group(
            "Services",
            "A key is enough: `auto` then uses the service. The address is for a self-hosted service, a gateway or a "
            "compatible service. Where several models are named, the first one that the service offers is used.",
        ),
    ] = None
    """Deepgram: speech to text."""
    deepgram_base_url: Url = None
    """Deepgram's address, for example `http://127.0.0.1:8080`; without it `https://api.deepgram.com`."""
    deepgram_model: str = Field(default="nova-3", pattern=r"^[\w.:-]+$")
    """`nova-3`, `nova-2` or `flux-general-en`. Models whose name begins with `flux` use Deepgram's Flux protocol, in
    which the service detects the end of the turn."""
    groq_api_key: Secret = None
    """Groq: the model."""
    groq_base_url: Url = None
    """Groq's address, if not the usual one."""
    # Groq shut Llama 3.3 down on 2026-08-16, except for customers with a contract; gpt-oss-120b is its successor.
    groq_model: Models = ("openai/gpt-oss-120b", "llama-3.3-70b-versatile")
    """Groq's models. Only customers with a contract still have the second one."""
    openai_api_key: Secret = None
    """OpenAI, or a compatible service that needs a key: the model."""
    openai_base_url: Url = None
    """The address, with `/v1`, of a server with OpenAI's API, such as vLLM: `http://127.0.0.1:8000/v1`. It is used
    even without a key."""
    # OpenAI shuts gpt-4o-mini down on 2027-01-14 and gpt-realtime on 2027-01-20 (docstrings in the openai SDK 3.57,
    # types/shared/chat_model.py). The first models are their successors; the others are for accounts without these.
    openai_model: Models = ("gpt-6-luna", "gpt-5.4-mini", "gpt-4o-mini")
    """OpenAI's models. OpenAI shuts gpt-4o-mini down on 2027-01-14."""
    openai_realtime_model: Models = ("gpt-realtime-2.1", "gpt-realtime")
    """The models of the engine `openai-realtime`."""
    ollama_host: Annotated[OllamaHost, Values("host:port or an address")] = None
    """Where Ollama runs, in Ollama's own notation. Servers of Ollama and llama.cpp at their usual ports on this machine
    are found without it."""
    local_model: OptionalNames = ()
    """The models of the local server; without it the one in memory, else the one that was downloaded last."""
    huggingface_base_url: Url = None
    """The address of a gateway to Hugging Face's Inference Providers, which also forwards `/api/whoami-v2`. The key is
    `HF_TOKEN`, with permission to call them."""
    huggingface_model: Models = ("openai/gpt-oss-120b", "meta-llama/Llama-3.3-70B-Instruct")
    """The models of Hugging Face's Inference Providers."""
    elevenlabs_api_key: Secret = None
    """ElevenLabs: text to speech."""
    elevenlabs_base_url: Url = None
    """ElevenLabs' address, if not the usual one."""
    elevenlabs_voice: Annotated[Text, Values("the id of a voice")] = None
    """The voice; without it one that suits the language."""
    elevenlabs_model: str = Field(default="eleven_flash_v2_5", pattern=r"^[\w.-]+$")
    """ElevenLabs' model."""

    mcp_config: Annotated[
        Text,
        Values("the path of a file"),
        Group("Tools", "What the model can do beside talking (docs/extending.md)."),
    ] = None
    """A file that names MCP servers, such as `mcp.json`, in the form that desktop clients use. The bot starts them, and
    the model may call their tools."""

    endpointing: Annotated[
        Endpointing, Group("Turn-taking", "When the bot answers, and what it does when somebody speaks over it.")
    ] = Endpointing.BALANCED
    """How soon the bot takes a silence for the end of the user's turn. With `balanced` that is between 150 ms, after a
    whole question all words of which are known, and 1.5 s, after unfinished words ("I want to"). `quick` answers sooner
    and cuts in more often; `patient` waits up to 3 s, for people who speak slowly, or stammer. Visitors can choose
    otherwise."""
    preemptive_replies: bool = True
    """The bot begins the answer as soon as the user may be done, and speaks it when the turn is over. This is faster,
    but services charge for answers that are discarded because the user goes on. Tools with effects wait."""
    preemptive_discards_per_turn: int = Field(default=3, ge=0, le=100)
    """After this many discarded answers in one turn, the next one begins only when the turn is over. 0 has the same
    effect as `PREEMPTIVE_REPLIES=false`."""
    end_of_turn_model: TurnModel = ""
    """A model that also hears whether a turn is over: `smart-turn`, which is downloaded from `huggingface.co` on first
    use (8.7 MB), or the path of its file, such as `./smart-turn-v3.2-cpu.onnx`. Empty: no model (docs/engines.md)."""
    interruption_sensitivity: Sensitivity = Sensitivity.BALANCED
    """How easily a speaking bot is interrupted; visitors can choose otherwise."""
    interrupted_history: InterruptedHistory = InterruptedHistory.HEARD
    """What the bot remembers of a reply that was interrupted: `heard`, the words that were heard; `merge`, nothing.
    Visitors can choose otherwise."""
    resume_rewind: Literal["none", "word"] = "none"
    """Where a paused reply goes on: `none`, at the next sample; `word`, at the start of the word that was cut."""
    tts_overflow: Literal["block", "drop-oldest"] = "block"
    """What happens when the model writes faster than the voice speaks and the queue is full: `block`, the model waits;
    `drop-oldest`, the oldest sentence is not spoken."""
    idle_timeout_s: Annotated[float, Unit("seconds")] = Field(default=120, ge=0, le=86_400, allow_inf_nan=False)
    """After this much silence the bot asks whether the user is still there, and 30 s later it says goodbye and hangs
    up. 0: never."""

    stun_url: Annotated[
        Text,
        Values("`stun:host:port` or `stuns:host:port`"),
        Group(
            "WebRTC",
            "STUN is for a server behind a NAT. A TURN relay is for networks that let no media through, and for a "
            "Space or a share link (docs/deployment.md). Without these settings the bot contacts no such server.",
        ),
    ] = None
    """A STUN server."""
    turn_url: Annotated[Text, Values("`turn:host:port` or `turns:host:port`")] = None
    """Your own TURN relay. It needs `TURN_SECRET`, or `TURN_USERNAME` and `TURN_CREDENTIAL`."""
    turn_username: Text = None
    """The relay's login. It never changes, and every visitor can read it."""
    turn_credential: Secret = None
    """The password that belongs to `TURN_USERNAME`."""
    turn_secret: Secret = Field(default=None, validate_default=True)
    """Instead of a login: coturn's `static-auth-secret`, from which logins are made that expire."""
    cloudflare_turn_key_id: Text = None
    """A TURN key of Cloudflare."""
    cloudflare_turn_key_api_token: Annotated[Secret, Field(validate_default=True)] = None
    """The API token that belongs to `CLOUDFLARE_TURN_KEY_ID`."""
    hf_token: Secret = None
    """An access token of Hugging Face. For its TURN relay the token needs no permission. With the permission to call
    Inference Providers, `auto` also uses their models."""
    turn_provider: Annotated[TurnName, Field(validate_default=True)] = "auto"
    """Which relay is used. `auto`: the first one whose settings are there (`HF_TOKEN` only on a Space);
    `static`: `TURN_URL`."""

    gradio_server_name: Annotated[
        str, Values("an IP address or a name"), Group("Web server", "The names of the first two are Gradio's.")
    ] = "127.0.0.1"
    """The address on which the server listens: `0.0.0.0` for all that this machine has. `--host` replaces it."""
    gradio_server_port: Annotated[int | None, BeforeValidator(_none_if_blank)] = Field(default=None, ge=0, le=65_535)
    """The port; without it the first free one from 7860 on. `--port` replaces it."""
    workers: Annotated[Workers, Values("1 to 64, or `auto`")] = 1
    """How many processes serve the port together, so that they use several cores. `auto`: one for each core. Each takes
    as much memory as one process alone (docs/deployment.md). `--workers` replaces it."""

    app_username: Annotated[
        UserName, Group("Access", "A login, and what a server behind a proxy needs (docs/security.md).")
    ] = None
    """The name of a login (HTTP Basic) for the page, `/webrtc/…`, `/ws` and `/metrics`. `/health` stays open and tells
    strangers only its status. Use it only over HTTPS."""
    app_password: Password = Field(default=None, validate_default=True)
    """The password of the login."""
    metrics_public: bool = False
    """`/metrics` needs no login."""
    allowed_origins: Annotated[WebOrigins, Values("addresses without a path, separated by commas")] = ()
    """Other sites whose pages may connect, for example `https://example.org`."""
    allowed_hosts: Annotated[HostNames, Values("names, separated by commas")] = ()
    """The server's public names. A server without a login that listens only on this machine answers to `localhost`, its
    share link and the hosts of `ALLOWED_ORIGINS`; behind a proxy it needs its public name here."""
    trusted_proxies: int = Field(default=0, ge=0, le=10)
    """How many of your own proxies are in front of the server: their `X-Forwarded-For` and `X-Forwarded-Host` are
    believed. With 0 behind a proxy, all visitors count as one and share its limits."""
    public_url: HttpUrl = None
    """The address of this server as people outside know it, for example `https://bot.example.org/bot`. Links that tools
    give to people outside begin with it; without it they lead to this machine, or to the Space. Each of several servers
    needs its own."""

    keep_conversations: Annotated[
        bool,
        Group("Stored conversations", "A reload, a restart or another server goes on with them (docs/security.md)."),
    ] = True
    """`false`: nothing of what is said is stored."""
    database_url: Annotated[
        DatabaseUrl, Values("`sqlite:///file.db` or `postgresql://user:password@host/database`")
    ] = None
    """The database; without it `conversations.db` in the working directory. Several servers share a Postgres
    database."""
    retention_days: Annotated[float, Unit("days")] = Field(default=30, ge=0, le=36_500, allow_inf_nan=False)
    """How long after its last message a conversation is deleted. 0: never."""

    recording_minutes: Annotated[
        float,
        Unit("minutes"),
        Group(
            "Recordings",
            "The user of a session can download it. A recording is deleted five minutes after the session, and is "
            "never in the database.",
        ),
    ] = Field(default=30, ge=0, le=360, allow_inf_nan=False)
    """How much of a session is recorded, in files without a name in `TMPDIR` (at most 5.8 MB a minute). 0: nothing."""

    max_sessions: Annotated[
        int,
        Group(
            "Limits",
            "They protect the machine and your accounts at the services (docs/deployment.md). Days are in UTC. Those on"
            " sessions, minutes and answers hold for all workers together, and for all servers on one Postgres.",
        ),
    ] = Field(default=8, ge=1, le=1_000)
    """How many sessions there are at the same time."""
    session_minutes: Annotated[float, Unit("minutes")] = Field(default=30, gt=0, le=24 * 60, allow_inf_nan=False)
    """How long a session lasts. Its user may begin another one with the same conversation."""
    max_sessions_per_address: int = Field(default=4, ge=0, le=1_000)
    """How many sessions an address has at the same time. 0: no limit."""
    minutes_per_day_per_address: Annotated[float, Unit("minutes")] = Field(
        default=0, ge=0, le=24 * 60, allow_inf_nan=False
    )
    """How long an address talks in a day. 0: no limit."""
    turns_per_day: int = Field(default=0, ge=0, le=10_000_000)
    """How many answers the bot gives in a day, in all sessions together. 0: no limit. Each answer that was begun counts
    once, whichever engine gives it, even if it was begun preemptively or interrupted."""
    offers_per_minute: int = Field(default=60, ge=1, le=10_000)
    """How many times in a minute an address may try to connect."""

    otel_exporter_otlp_endpoint: Annotated[
        HttpUrl,
        Group(
            "Traces and the log",
            "Each answered turn can go to an OpenTelemetry collector over OTLP/HTTP: times and engines, never words. "
            "The names of these settings are OpenTelemetry's.",
        ),
    ] = None
    """The collector's address without `/v1/traces`, for example `http://127.0.0.1:4318`; without it there are no
    traces."""
    otel_exporter_otlp_headers: Annotated[Headers, Values("`name=value`, separated by commas")] = None
    """Headers for the collector, for example its key."""
    otel_service_name: str = Field(default="voicebot", min_length=1)
    """The name of the bot in the traces."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """The least level that is logged. What people say is logged only at `DEBUG`."""

    space_id: Annotated[
        Text, Group("Hugging Face Space", "Hugging Face sets these on a Space: do not set them yourself.")
    ] = None
    """The name of the Space. With it, some settings have other defaults (docs/space.md)."""
    space_host: Text = None
    """The Space's own host name."""
    spaces_zero_gpu: bool = False
    """The Space runs on ZeroGPU hardware."""

    # The alias keeps it out of the environment, as no variable can have this name.
    tuning: Tuning = Field(default=Tuning(), validation_alias="=")

    @model_validator(mode="before")
    @classmethod
    def _on_a_space(cls, given: dict[str, Any]) -> dict[str, Any]:
        if not _none_if_blank(given.get("space_id")):
            return given
        paid = any(_none_if_blank(given.get(key)) for key in registry.PAID_KEYS) or any(
            name in str(given.get("llm_engine")).lower() for name in registry.PAID_ENGINES
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

    @field_validator("turn_secret")
    @classmethod
    def _relay_has_a_login(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        """Browsers do not connect at all if they are given a TURN relay without a login."""
        login = (info.data.get("turn_username"), info.data.get("turn_credential"))
        if value is None and info.data.get("turn_url") is not None and None in login:
            raise ValueError("TURN_URL needs this setting, or TURN_USERNAME and TURN_CREDENTIAL")
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
            endpointing=self.endpointing,
            preemptive_replies=self.preemptive_replies,
            preemptive_discards_per_turn=self.preemptive_discards_per_turn,
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
            endpointing=self.endpointing,
            interrupted_history=self.interrupted_history,
        )

    @property
    def public_address(self) -> str | None:
        """The server's address for people outside; None if it is not known."""
        return self.public_url or (f"https://{self.space_host}" if self.space_host else None)

    @property
    def persona_file(self) -> Path | None:
        """The file of the operator's own persona; None if the setting names a persona of the package."""
        return Path(self.persona).expanduser() if _is_path(self.persona) else None

    @property
    def mcp_file(self) -> Path | None:
        """The file that names the MCP servers; None if there are none."""
        return None if self.mcp_config is None else Path(self.mcp_config).expanduser()

    @property
    def turn_model_file(self) -> Path | None:
        """The operator's own file of the end-of-turn model; None without one."""
        return Path(self.end_of_turn_model).expanduser() if self.end_of_turn_model not in ("", SMART_TURN) else None

    @property
    def persona_name(self) -> str:
        return self.persona if self.persona_file is None else self.persona_file.name.removesuffix(".md")

    @property
    def endpoint_rules(self) -> EndpointRules:
        rules = EndpointRules(start_s=self.tuning.vad_start_s, threshold=self.tuning.vad_threshold)
        return rules.with_endpointing(self.endpointing)

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

    Raises SettingsError with one line for each setting that is wrong, or if `.env` can't be read.
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
    except (OSError, UnicodeDecodeError) as error:
        why = "it is not in UTF-8" if isinstance(error, UnicodeDecodeError) else error.strerror
        raise SettingsError(f".env: The file can't be read: {why}") from None


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
