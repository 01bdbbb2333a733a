"""The control routes of every bot under test: `POST /bench/say` announces a clip, `GET /bench/log` returns a record.

The module needs only FastAPI, so that bots in other environments can use it.
"""

from __future__ import annotations

import socket
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from fastapi import FastAPI

from tests.benchmarks.oracle import LETTERS_PER_S, Oracle, Word
from tests.support.position_voice import RATE_HZ, Samples, voice


@dataclass(slots=True)
class Stage:
    """The state that all stub engines of a bot share: the oracle, and a record of replies and sentences."""

    oracle: Oracle = field(default_factory=Oracle)
    replies: list[dict[str, Any]] = field(default_factory=list)
    sentences: list[dict[str, Any]] = field(default_factory=list)
    position: int = 0

    def reply(self) -> int:
        """Begins a reply and returns its number."""
        self.replies.append({"began_s": time.monotonic(), "mode": self.oracle.mode})
        return len(self.replies) - 1

    def sentence(self, text: str) -> list[Samples]:
        """Yields the audio of a sentence in pieces of 100 ms: the next stretch of the position voice, at 48 kHz."""
        count = round(len(text) / LETTERS_PER_S * RATE_HZ)
        start, self.position = self.position, self.position + count
        self.sentences.append({"start": start, "count": count, "text": text, "began_s": time.monotonic()})
        step = RATE_HZ // 10
        return [voice(at, min(step, start + count - at)) for at in range(start, start + count, step)]


def routes(app: FastAPI, stage: Stage) -> None:
    """Adds the control routes to the app."""

    @app.post("/bench/say")
    async def say(body: dict[str, Any]) -> None:
        words = [Word(text, ends_s) for text, ends_s in body["words"]]
        stage.oracle.announce(words, body["mode"])

    @app.get("/bench/log")
    async def log() -> dict[str, Any]:
        return {"replies": stage.replies, "sentences": stage.sentences}


async def serve(app: FastAPI, **options: Any) -> None:
    """Serves on a free port of this machine, and writes its address to stdout as the first line."""
    listener = socket.create_server(("127.0.0.1", 0))
    sys.stdout.write(f"http://127.0.0.1:{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    config = uvicorn.Config(app, **({"log_config": None, "access_log": False} | options))
    await uvicorn.Server(config).serve([listener])
