"""An MCP server that misbehaves: `python misbehaving_server.py MANNER…`. It needs nothing but Python, and starts fast.

It speaks as much of the protocol of 2025-11-25 as the bot needs, one line for each message. A manner is what it does
wrong; see `main`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any

TOOLS = [{"name": "greet", "description": "Greet.", "inputSchema": {"type": "object", "properties": {}}}]
DOUBLING = {
    "type": "object",
    "properties": {"a": {"$ref": "#/$defs/a0"}},
    "$defs": {
        f"a{number}": {
            "type": "object",
            "properties": {"x": {"$ref": f"#/$defs/a{number + 1}"}, "y": {"$ref": f"#/$defs/a{number + 1}"}},
        }
        for number in range(30)
    }
    | {"a30": {"type": "string"}},
}
WRONG_SCHEMAS = [
    {"name": "doubling", "inputSchema": DOUBLING},
    {"name": "dangling", "inputSchema": {"type": "object", "properties": {"a": {"$ref": "#/nothing"}}}},
    {"name": "huge", "inputSchema": {"type": "object", "description": "x" * 20_000}},
    {"name": "odd", "inputSchema": {"type": "object", "properties": {"a": True}}},
]

LOCK = threading.Lock()
UNANSWERED: list[Any] = []


def write(text: str) -> None:
    with LOCK:
        sys.stdout.write(text)
        sys.stdout.flush()


def send(**message: Any) -> None:
    write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")


def answer(id: Any, result: Any) -> None:
    send(id=id, result=result)


def for_ever() -> None:
    while True:
        time.sleep(3600)


def flood(line: str) -> None:
    block = line * max(1, 60_000 // len(line))
    while True:
        write(block)


def flood_stderr() -> None:
    block = "trouble, trouble\n" * 4_000
    while True:
        sys.stderr.write(block)


def ask_on_and_on() -> None:
    number = 0
    while True:
        number += 1
        send(id=f"q{number}", method="sampling/createMessage", params={"messages": [], "maxTokens": 1})


def main() -> None:
    manners = set(sys.argv[1:])
    if "dies-at-start" in manners:
        sys.stderr.write("no such key: hush-hush\n")
        sys.exit(4)
    if "ignores-sigterm" in manners:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if "has-a-child" in manners:
        child = subprocess.Popen(
            [
                sys.executable,
                "-c",
                "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(999)",
            ],
            stdin=subprocess.DEVNULL,
        )
        TOOLS[0]["name"] = f"child_{child.pid}_of_{os.getpid()}"
    if "prints" in manners:
        write("Hello, I am a server!\n\n{\n")
    if "hangs" in manners:
        for_ever()
    for line in sys.stdin:
        message = json.loads(line)
        match message.get("method"):
            case "initialize":
                if "hangs-at-initialize" in manners:
                    for_ever()
                version = message["params"]["protocolVersion"]
                capabilities = {"tools": {"listChanged": True}}
                answer(message["id"], {"protocolVersion": version, "capabilities": capabilities, "serverInfo": INFO})
            case "tools/list":
                if "hangs-at-list" in manners:
                    for_ever()
                listed = TOOLS
                if "wrong-list" in manners:
                    listed = [{"name": "greet", "inputSchema": "none"}]
                if "wrong-schemas" in manners:
                    listed = [*WRONG_SCHEMAS, *TOOLS]
                answer(message["id"], {"tools": listed})
                begin_trouble(manners)
            case "tools/call":
                call(message["id"], manners)
            case "ping":
                if "answers-no-ping" not in manners:
                    answer(message["id"], {})
            case _:
                pass
    if "stays" in manners:
        for_ever()


INFO = {"name": "misbehaving", "version": "1"}


def begin_trouble(manners: set[str]) -> None:
    """Begins to do what happens beside the answers."""
    change = json.dumps({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}) + "\n"
    floods = {
        "floods-with-changes": lambda: flood(change),
        "floods-with-nonsense": lambda: flood("nonsense\n"),
        "floods-with-empty-lines": lambda: flood("\n"),
        "floods-with-one-line": lambda: flood("x" * 60_000),
        "floods-stderr": flood_stderr,
        "floods-with-questions": ask_on_and_on,
    }
    for manner in manners & floods.keys():
        threading.Thread(target=floods[manner], daemon=True).start()


def call(id: Any, manners: set[str]) -> None:
    if "dies-in-a-call" in manners:
        sys.exit(5)
    if "hangs-in-a-call" in manners:
        for_ever()
    if "half-a-character" in manners:
        answer(id, {"content": [{"type": "text", "text": "half \ud83d"}]})
        return
    if "prints" in manners:
        write(f'{{"level": "info", "error": null}}\n{{"id": {id}, "text": "half \\ud83d"}}\n')
    if "answers-the-third-call" in manners:
        UNANSWERED.append(id)
        if len(UNANSWERED) < 3:
            return
    if "giant-line" in manners:
        text = "x" * 100_000_000
        write(f'{{"jsonrpc": "2.0", "id": {id}, "result": {{"content": [{{"type": "text", "text": "{text}"}}]}}}}\n')
        return
    if "brackets" in manners:
        write(f'{{"jsonrpc": "2.0", "id": {id}, "results": [{"[]," * 300_000}[]]}}\n')
        return
    answer(id, {"content": [{"type": "text", "text": "Hello."}]})


if __name__ == "__main__":
    main()
