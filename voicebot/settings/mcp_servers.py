"""Reads the file of MCP_CONFIG, which names the MCP servers. It has the form that desktop clients use.

Secrets stand in it only as references such as `${NAME}`, and the environment or `.env` has their values. No error
message shows a value.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl, urlsplit

from dotenv import dotenv_values
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictStr, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from voicebot.settings.config import Settings

MAX_FILE_BYTES = 200_000
"""No more of the file is read, so that a wrong path does not fill the memory."""

EVERY_OTHER = "*"
"""In `tools`, stands for all tools that are not named there."""

MIN_SECRET_CHARS = 4
"""Shorter values are not hidden in the log: they occur in ordinary words."""

_REFERENCE = re.compile(r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}")
_SECRET_WORDS = frozenset(
    ("key", "apikey", "token", "secret", "password", "passwd", "credential", "credentials", "authorization", "cookie")
)
_SECRET_VALUE = re.compile(r"\b(?:sk|gsk|hf|xai|pk|ghp|github_pat|xoxb|xoxp|glpat)[-_][A-Za-z0-9_-]{8,}")
"""What the keys of some services look like."""

_CAMEL = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel, regex_engine="rust-regex")

Limit = Annotated[float, Field(gt=0, le=600, allow_inf_nan=False, strict=True)]


class McpConfigError(ValueError):
    """The file cannot be used. The text has one line for each problem, and never the value of a variable."""


class McpToolRule(BaseModel):
    """What the operator says of a tool. What is None is left to the server's hints and to the defaults."""

    model_config = _CAMEL

    tag: Literal["pure", "effects", "confirm"] | None = None
    question: StrictStr | dict[StrictStr, StrictStr] | None = None
    """The question that a `confirm` tool asks, with its arguments' names in braces; one for all languages, or by
    language."""
    limit_seconds: Limit | None = None

    @model_validator(mode="after")
    def _asks_if_it_confirms(self) -> McpToolRule:
        if (self.tag == "confirm") != (self.question is not None):
            raise ValueError('"confirm" and a question belong together')
        return self


class _Server(BaseModel):
    """The fields that both kinds of servers have."""

    model_config = _CAMEL

    disabled: StrictBool = False
    trust_read_only_hint: StrictBool = False
    limit_seconds: Limit | None = None
    tools: dict[StrictStr, McpToolRule | StrictBool] = {}


class _StdioServer(_Server):
    type: Literal["stdio"] = "stdio"
    command: StrictStr = Field(min_length=1)
    args: tuple[StrictStr, ...] = ()
    env: dict[StrictStr, StrictStr] = {}
    cwd: StrictStr | None = None


class _HttpServer(_Server):
    type: Literal["http", "streamable-http", "streamableHttp", "streamable_http"] = "http"
    url: StrictStr
    headers: dict[StrictStr, StrictStr] = {}


@dataclass(frozen=True, slots=True)
class McpCommand:
    """How a server is started that talks over its standard input and output."""

    command: str
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    """Variables beside those that every process needs. The bot's own variables are not among them."""
    cwd: str | None = None


@dataclass(frozen=True, slots=True)
class McpAddress:
    """Where a server is reached over streamable HTTP."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class McpServerSettings:
    """One server, with all references replaced by their values."""

    name: str
    place: McpCommand | McpAddress = field(repr=False)
    rules: Mapping[str, McpToolRule | bool] = field(default_factory=dict)
    """By tool: what the operator says of it; False leaves the tool out."""
    trust_read_only_hint: bool = False
    """True if a tool of which the server says that it only reads counts as `pure`."""
    limit_s: float | None = None
    """How long a call may take; None for the usual time."""
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """Values of variables, which may appear in no log."""

    def rule(self, tool: str) -> McpToolRule | None:
        """Returns what the operator says of this tool; None if it is to be left out."""
        rule = self.rules.get(tool, self.rules.get(EVERY_OTHER, True))
        return (McpToolRule() if rule else None) if isinstance(rule, bool) else rule


def read_mcp_servers(path: Path, variables: Mapping[str, str] | None = None) -> tuple[McpServerSettings, ...]:
    """Returns the servers of a file, without those that are disabled.

    `variables` are those that the file may refer to; without them, those of the environment and of `.env`. Raises
    McpConfigError.
    """
    known = _variables() if variables is None else variables
    found: list[McpServerSettings] = []
    problems: list[str] = []
    for name, given in _named(path).items():
        try:
            server = _server(name, given, known)
        except McpConfigError as error:
            problems += str(error).splitlines()
        else:
            found += [] if server is None else [server]
    if problems:
        raise McpConfigError("\n".join(f"{path}: {problem}" for problem in problems))
    return tuple(found)


def _variables() -> dict[str, str]:
    file = Settings.model_config.get("env_file")
    in_file = dotenv_values(file) if isinstance(file, str) else {}
    return {name: value for name, value in in_file.items() if value is not None} | dict(os.environ)


def _named(path: Path) -> dict[str, Any]:
    """Returns the servers as they stand in the file, by name."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise McpConfigError(f"{path}: {error.strerror or 'it cannot be read'}") from None
    if len(content) > MAX_FILE_BYTES:
        raise McpConfigError(f"{path}: the file has more than {MAX_FILE_BYTES} bytes")
    try:
        given = json.loads(content.decode("utf-8-sig"), object_pairs_hook=_without_twins)
    except json.JSONDecodeError as error:
        raise McpConfigError(f"{path}: line {error.lineno}, column {error.colno}: {error.msg}") from None
    except UnicodeDecodeError:
        raise McpConfigError(f"{path}: the file is not text in UTF-8") from None
    except (McpConfigError, RecursionError) as error:
        raise McpConfigError(f"{path}: {error}") from None
    if not isinstance(given, dict) or not isinstance(given.get("mcpServers"), dict):
        raise McpConfigError(f'{path}: the file must be an object with the field "mcpServers", which is an object')
    if others := [each for each in given if each != "mcpServers"]:
        raise McpConfigError(f'{path}: beside "mcpServers" there is {_quoted(others)}, which the bot does not know')
    servers: dict[str, Any] = given["mcpServers"]
    return servers


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Makes a JSON object. A name that occurs twice is an error: Python would silently drop the first one."""
    names = [name for name, _ in pairs]
    if twice := {name for name in names if names.count(name) > 1}:
        raise McpConfigError(f"{_quoted(sorted(twice))} occurs twice")
    return dict(pairs)


def _server(name: str, given: Any, variables: Mapping[str, str]) -> McpServerSettings | None:
    """Returns the server, or None if it is disabled. Raises McpConfigError."""
    where = f'server "{name}"'
    if not 0 < len(name) <= 64 or not name.isprintable():
        raise McpConfigError(f"{where}: the name must have 1 to 64 printable characters")
    if not isinstance(given, dict):
        raise McpConfigError(f"{where}: it must be an object")
    if given.get("type") == "sse":
        raise McpConfigError(
            f'{where}: type: SSE is not supported. Use "http" with the address of the server\'s streamable HTTP, which '
            "mostly ends in /mcp"
        )
    if ("command" in given) == ("url" in given):
        known = {str(field.alias) for kind in (_StdioServer, _HttpServer) for field in kind.model_fields.values()}
        unknown = [each for each in given if each not in known]
        cure = f", and there is {_quoted(unknown)}, which the bot does not know" if unknown else ""
        raise McpConfigError(f'{where}: it must have either "command" or "url"{cure}')
    kind = _StdioServer if "command" in given else _HttpServer
    try:
        server = kind.model_validate(given)
    except ValidationError as error:
        raise McpConfigError("\n".join(_problems(where, kind, error))) from None
    if server.disabled:
        return None
    used: dict[str, str] = {}
    if problems := [*_literal_secrets(server), *_missing(server, variables)]:
        raise McpConfigError("\n".join(f"{where}: {problem}" for problem in problems))

    def filled(text: str) -> str:
        return _REFERENCE.sub(lambda found: used.setdefault(found[0], _value(found, variables)), text)

    place: McpCommand | McpAddress
    if isinstance(server, _StdioServer):
        env = {each: filled(value) for each, value in server.env.items()}
        cwd = None if server.cwd is None else filled(server.cwd)
        place = McpCommand(filled(server.command), tuple(map(filled, server.args)), env, cwd)
    else:
        place = McpAddress(filled(server.url), {each: filled(value) for each, value in server.headers.items()})
    if problem := _unusable(place):
        raise McpConfigError(f"{where}: {problem}")
    return McpServerSettings(
        name,
        place,
        server.tools,
        server.trust_read_only_hint,
        server.limit_seconds,
        tuple(value for value in used.values() if len(value) >= MIN_SECRET_CHARS),
    )


def _problems(where: str, kind: type[_Server], error: ValidationError) -> Iterator[str]:
    for problem in error.errors(include_url=False, include_input=False):
        if "bool" in problem["loc"]:
            continue  # a rule is an object or a truth value: what is wrong with the object says more
        # The names of a union's members are parts of the place of an error.
        places = map(str, problem["loc"])
        parts = [part for part in places if part not in ("str", "dict[str,str]") and McpToolRule.__name__ not in part]
        text = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "model_type":
            text = "it must be an object, true or false"
        if problem["type"] == "extra_forbidden":
            model = McpToolRule if parts[0] == "tools" else kind
            text = f"unknown field; known are {', '.join(str(each.alias) for each in model.model_fields.values())}"
        yield f"{where}: {'.'.join(parts)}: {text}"


def _texts(server: _Server) -> Iterator[tuple[str, str]]:
    """Yields the texts that may contain references, each with its field."""
    if isinstance(server, _StdioServer):
        yield "command", server.command
        yield from ((f"args.{number}", text) for number, text in enumerate(server.args))
        yield from ((f"env.{name}", text) for name, text in server.env.items())
        yield from (() if server.cwd is None else (("cwd", server.cwd),))
    if isinstance(server, _HttpServer):
        yield "url", server.url
        yield from ((f"headers.{name}", text) for name, text in server.headers.items())


def _missing(server: _Server, variables: Mapping[str, str]) -> Iterator[str]:
    for place, text in _texts(server):
        for found in _REFERENCE.finditer(text):
            if found["name"] not in variables and found["default"] is None:
                yield f"{place}: the variable {found['name']} is neither in the environment nor in .env"
        if "${" in _REFERENCE.sub("", text):
            yield f"{place}: a reference must be ${{NAME}} or ${{NAME:-default}}"


def _value(found: re.Match[str], variables: Mapping[str, str]) -> str:
    """Returns the value of a reference. As in shells, `:-` also replaces an empty value."""
    value = variables.get(found["name"], "")
    return value or found["default"] or ""


def _literal_secrets(server: _Server) -> Iterator[str]:
    """Yields a problem for each secret that stands in the file itself."""
    texts = dict(_texts(server))
    for place, text in texts.items():
        # What is left without the names of variables is written in the file, defaults too.
        literal = _REFERENCE.sub(lambda found: found["default"] or "", text)
        field_name, _, name = place.partition(".")
        is_secret = _SECRET_VALUE.search(literal) is not None
        match field_name:
            case "env" | "headers":
                scheme = r"\s*(?:basic|bearer|token|apikey)?\s*"
                is_secret |= _names_secret(name) and re.fullmatch(scheme, literal, re.IGNORECASE) is None
            case "args":
                option, equals, value = literal.partition("=")
                before = texts.get(f"args.{int(name) - 1}", "")
                is_secret |= bool(equals and value) and option.startswith("-") and _names_secret(option)
                is_secret |= before.startswith("-") and "=" not in before and _names_secret(before) and literal != ""
            case "url":
                try:
                    parts = urlsplit(literal)
                    password = parts.password
                except ValueError:
                    continue
                is_secret |= bool(password) or any(_names_secret(each) for each, value in parse_qsl(parts.query))
            case _:
                pass
        if is_secret:
            default = ", not even as a default" if any(found["default"] for found in _REFERENCE.finditer(text)) else ""
            yield (
                f"{place}: a secret must not stand in this file{default}. Write it as ${{NAME}}, and set NAME in the "
                "environment or in .env"
            )


def _names_secret(name: str) -> bool:
    return not _SECRET_WORDS.isdisjoint(re.split(r"[^a-z0-9]+", re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()))


def _unusable(place: McpCommand | McpAddress) -> str | None:
    if isinstance(place, McpCommand):
        texts = (place.command, *place.args, *place.env, *place.env.values(), place.cwd or "")
        if any("\0" in text for text in texts) or any("=" in name or not name for name in place.env):
            return "command, args, env: a name or value cannot be passed to a process"
        return None if place.command.strip() else "command: it is empty"
    try:
        parts = urlsplit(place.url)
        is_valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_valid = False
    if not is_valid or any(char.isspace() for char in place.url):
        return "url: it must be an address such as https://host/mcp"
    for name, value in place.headers.items():
        if not re.fullmatch(r"[!#$%&'*+.^`|~\w-]+", name, re.ASCII) or not (value.isascii() and value.isprintable()):
            return f"headers.{name}: it is no HTTP header"
    return None


def _quoted(names: list[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
