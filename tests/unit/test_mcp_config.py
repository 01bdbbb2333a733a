"""The file of MCP_CONFIG: what it may say, and what is said of a mistake in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from voicebot.bootstrap.engines import check
from voicebot.settings import config
from voicebot.settings.config import Settings, SettingsError
from voicebot.settings.mcp_servers import (
    McpAddress,
    McpCommand,
    McpConfigError,
    McpServerSettings,
    McpToolRule,
    read_mcp_servers,
)

VARIABLES = {"NOTES_TOKEN": "tok-12345", "EMPTY": "", "HOST": "tools.example", "DIR": "/srv/notes"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "mcp.json"


def read(file: Path, **servers: Any) -> tuple[McpServerSettings, ...]:
    file.write_text(json.dumps({"mcpServers": servers}), "utf-8")
    return read_mcp_servers(file, VARIABLES)


def problem(file: Path, server: Any) -> str:
    """Returns what is said of a server called `notes`."""
    with pytest.raises(McpConfigError) as caught:
        read(file, notes=server)
    text = str(caught.value)
    assert text.startswith(f'{file}: server "notes": ')
    assert "tok-12345" not in text
    return text.removeprefix(f'{file}: server "notes": ')


def test_a_server_with_a_command(file: Path) -> None:
    given = {
        "command": "uvx",
        "args": ["notes", "--folder", "${DIR}/${EMPTY:-all}"],
        "env": {"TOKEN": "${NOTES_TOKEN}", "TOKENIZERS": "off"},
        "cwd": "${DIR}",
    }
    (server,) = read(file, notes=given)
    assert server.name == "notes"
    env = {"TOKEN": "tok-12345", "TOKENIZERS": "off"}
    assert server.place == McpCommand("uvx", ("notes", "--folder", "/srv/notes/all"), env, "/srv/notes")
    assert (server.trust_read_only_hint, server.limit_s) == (False, None)


@pytest.mark.parametrize("kind", [None, "http", "streamable-http", "streamableHttp", "streamable_http"])
def test_a_server_with_an_address(file: Path, kind: str | None) -> None:
    given: dict[str, Any] = {"url": "https://${HOST}/mcp", "headers": {"Authorization": "Bearer ${NOTES_TOKEN}"}}
    (server,) = read(file, web=given if kind is None else {**given, "type": kind})
    assert server.place == McpAddress("https://tools.example/mcp", {"Authorization": "Bearer tok-12345"})


def test_no_representation_shows_a_value(file: Path) -> None:
    (server,) = read(file, notes={"command": "uvx", "env": {"TOKEN": "${NOTES_TOKEN}"}})
    assert server.secrets == ("tok-12345",)
    assert "tok-12345" not in repr(server)


def test_the_operator_says_what_tools_may_do(file: Path) -> None:
    tools = {
        "read": True,
        "order": {"tag": "confirm", "question": {"en": "Shall I order {item}?", "de": "Soll ich {item} bestellen?"}},
        "find": {"tag": "pure", "limitSeconds": 5},
        "*": False,
    }
    (server,) = read(file, notes={"command": "a", "trustReadOnlyHint": True, "limitSeconds": 12.5, "tools": tools})
    assert (server.trust_read_only_hint, server.limit_s) == (True, 12.5)
    assert server.rule("read") == McpToolRule()
    assert server.rule("delete") is None
    found, order = server.rule("find"), server.rule("order")
    assert found is not None
    assert order is not None
    assert (found.tag, found.limit_seconds) == ("pure", 5)
    assert order.question == {"en": "Shall I order {item}?", "de": "Soll ich {item} bestellen?"}


def test_without_rules_all_tools_are_used(file: Path) -> None:
    (server,) = read(file, notes={"command": "a"})
    assert server.rule("anything") == McpToolRule()


def test_a_server_that_is_disabled_is_left_out_even_if_its_variables_are_missing(file: Path) -> None:
    assert read(file, notes={"command": "a", "disabled": True, "env": {"TOKEN": "${NOWHERE}"}}) == ()


@pytest.mark.parametrize(
    ("server", "said"),
    [
        ([], "it must be an object"),
        ({}, 'it must have either "command" or "url"'),
        ({"command": "a", "url": "http://b"}, 'it must have either "command" or "url"'),
        (
            {"comand": "a", "args": ["b"]},
            'it must have either "command" or "url", and there is "comand", which the bot does not know',
        ),
        ({"command": ""}, "command: String should have at least 1 character"),
        ({"command": 1}, "command: Input should be a valid string"),
        ({"command": "a", "args": "b"}, "args: Input should be a valid tuple"),
        ({"command": "a", "args": ["b", 1]}, "args.1: Input should be a valid string"),
        ({"command": "a", "env": {"B": 1}}, "env.B: Input should be a valid string"),
        (
            {"command": "a", "headers": {}},
            "headers: unknown field; known are disabled, trustReadOnlyHint, limitSeconds",
        ),
        ({"command": "a", "alwaysAllow": []}, "alwaysAllow: unknown field; known are disabled"),
        ({"command": "a", "type": "http"}, "type: Input should be 'stdio'"),
        ({"url": "http://b", "type": "sse"}, "type: SSE is not supported. Use"),
        ({"url": "b"}, "url: it must be an address such as https://host/mcp"),
        ({"url": "http://b:0"}, "url: it must be an address"),
        ({"url": "http://b:x"}, "url: it must be an address"),
        ({"url": "http://b", "headers": {"A b": "c"}}, "headers.A b: it is no HTTP header"),
        ({"url": "http://b", "headers": {"A": "${NOTES_TOKEN}\n"}}, "headers.A: it is no HTTP header"),
        ({"command": "a", "env": {"B=": "c"}}, "command, args, env: a name or value cannot be passed to a process"),
        ({"command": "a", "args": ["\0"]}, "command, args, env: a name or value cannot be passed to a process"),
        ({"command": "a", "limitSeconds": 0}, "limitSeconds: Input should be greater than 0"),
        ({"command": "a", "limitSeconds": "5"}, "limitSeconds: Input should be a valid number"),
        ({"command": "a", "trustReadOnlyHint": "yes"}, "trustReadOnlyHint: Input should be a valid boolean"),
        ({"command": "a", "tools": {"b": "pure"}}, "tools.b: it must be an object, true or false"),
        ({"command": "a", "tools": {"b": {"tag": "safe"}}}, "tools.b.tag: Input should be 'pure', 'effects' or"),
        (
            {"command": "a", "tools": {"b": {"limit": 3}}},
            "tools.b.limit: unknown field; known are tag, question, limit",
        ),
        ({"command": "a", "tools": {"b": {"tag": "confirm"}}}, 'tools.b: "confirm" and a question belong together'),
        ({"command": "a", "tools": {"b": {"question": "c?"}}}, 'tools.b: "confirm" and a question belong together'),
        ({"command": "${NOWHERE}"}, "command: the variable NOWHERE is neither in the environment nor in .env"),
        ({"command": "a", "args": ["${NOTES_TOKEN} ${NOWHERE}"]}, "args.0: the variable NOWHERE is neither"),
        ({"command": "a", "env": {"B": "${}"}}, "env.B: a reference must be ${NAME} or ${NAME:-default}"),
        ({"command": "${EMPTY}"}, "command: it is empty"),
    ],
)
def test_a_mistake_is_named_with_its_server_and_field(file: Path, server: Any, said: str) -> None:
    assert problem(file, server).startswith(said)


@pytest.mark.parametrize(
    "server",
    [
        {"command": "a", "env": {"NOTES_TOKEN": "hush"}},
        {"command": "a", "env": {"apiKey": "hush"}},
        {"command": "a", "env": {"ANY": "sk-0123456789abcdef"}},
        {"command": "a", "args": ["--api-key=hush"]},
        {"command": "a", "args": ["--token", "hush"]},
        {"command": "a", "args": ["ghp_0123456789abcdef"]},
        {"url": "https://host/mcp", "headers": {"Authorization": "Bearer hush"}},
        {"url": "https://host/mcp", "headers": {"X-Api-Key": "hush"}},
        {"url": "https://user:hush@host/mcp"},
        {"url": "https://host/mcp?api_key=hush"},
    ],
)
def test_a_secret_that_stands_in_the_file_is_refused_and_not_shown(file: Path, server: Any) -> None:
    said = problem(file, server)
    assert "a secret must not stand in this file. Write it as ${NAME}" in said
    assert "hush" not in said
    assert "0123456789" not in said


def test_a_secret_takes_no_default(file: Path) -> None:
    for server in (
        {"command": "a", "env": {"API_KEY": "${EMPTY:-hush}"}},
        {"url": "https://host/mcp", "headers": {"Authorization": "Bearer ${NOTES_TOKEN:-hush}"}},
    ):
        said = problem(file, server)
        assert "a secret must not stand in this file, not even as a default. Write it as ${NAME}" in said
        assert "hush" not in said


@pytest.mark.parametrize(
    "server",
    [
        {"command": "a", "env": {"TOKENIZERS_PARALLELISM": "false", "API_KEY": "${NOTES_TOKEN}", "SECRET": ""}},
        {"command": "a", "args": ["--token", "${NOTES_TOKEN}", "--api-key=${NOTES_TOKEN}", "--verbose", "key"]},
        {"url": "https://host/mcp?api_key=${NOTES_TOKEN}", "headers": {"Authorization": "Bearer ${NOTES_TOKEN}"}},
        {"url": "https://host/mcp", "headers": {"Authorization": "${NOTES_TOKEN}"}},
    ],
)
def test_what_only_looks_like_a_secret_is_accepted(file: Path, server: Any) -> None:
    assert len(read(file, notes=server)) == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "line 1, column 1: Expecting value"),
        (b'{\n "mcpServers": {,}}', "line 2, column 17: "),
        (b"[]", 'the file must be an object with the field "mcpServers"'),
        (b'{"mcpServers": []}', 'the file must be an object with the field "mcpServers"'),
        (b'{"servers": {}}', 'the file must be an object with the field "mcpServers"'),
        (b'{"mcpServers": {}, "inputs": []}', 'beside "mcpServers" there is "inputs"'),
        (b'{"mcpServers": {"a": {}, "a": {}}}', '"a" occurs twice'),
        (b"\xff\xfe", "the file is not text in UTF-8"),
        (b"[" * 100_000, "maximum recursion depth exceeded"),
        (b" " * 300_000, "the file has more than 200000 bytes"),
    ],
)
def test_a_file_that_is_no_such_configuration_is_refused(file: Path, content: bytes, said: str) -> None:
    file.write_bytes(content)
    with pytest.raises(McpConfigError) as caught:
        read_mcp_servers(file, VARIABLES)
    assert str(caught.value).startswith(f"{file}: {said}")


def test_every_mistake_is_reported_at_once(file: Path) -> None:
    with pytest.raises(McpConfigError) as caught:
        read(file, one={"command": 1, "args": 2}, two={}, three={"command": "well"})
    assert [line.split(": ")[1] for line in str(caught.value).splitlines()] == ['server "one"'] * 2 + ['server "two"']


@pytest.mark.parametrize("name", ["", "a\nb", "x" * 65])
def test_a_server_needs_a_short_printable_name(file: Path, name: str) -> None:
    with pytest.raises(McpConfigError, match="the name must have 1 to 64 printable characters"):
        read(file, **{name: {"command": "a"}})


def test_variables_come_from_the_environment_and_from_the_settings_file(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("ONE=from the file\nTWO=from the file\nBARE\n", "utf-8")
    monkeypatch.setitem(Settings.model_config, "env_file", str(tmp_path / ".env"))
    monkeypatch.setenv("TWO", "from the environment")
    file.write_text(json.dumps({"mcpServers": {"a": {"command": "a", "args": ["${ONE}", "${TWO}"]}}}), "utf-8")
    (server,) = read_mcp_servers(file)
    assert server.place == McpCommand("a", ("from the file", "from the environment"))


def test_the_settings_are_refused_with_every_mistake_of_the_file(file: Path) -> None:
    file.write_text('{"mcpServers": {"a": {}, "b": []}}', "utf-8")
    with pytest.raises(SettingsError) as caught:
        check(config.load(mcp_config=str(file)))
    assert [line.split(": ")[0] for line in str(caught.value).splitlines()] == ["MCP_CONFIG", "MCP_CONFIG"]
    with pytest.raises(SettingsError, match=r"MCP_CONFIG: .*nowhere\.json: No such file or directory"):
        check(config.load(mcp_config=str(file.with_name("nowhere.json"))))
