"""A scripted bot for WebRTC clients, and what the messages that it sends them say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.support.engines import ScriptedAgent, ScriptedStt, ToneTts, scripted
from tests.support.live_server import serving
from voicebot.settings import config

Json = dict[str, Any]


def quick(agent: ScriptedAgent | None = None, tts: ToneTts | None = None, **settings: Any) -> Any:
    """A server with scripted engines that hear nothing; a context manager."""
    return serving(scripted(ScriptedStt(), agent or ScriptedAgent(), tts or ToneTts()), config.load(**settings))


def is_state(condition: Callable[[Json], object]) -> Callable[[Json], bool]:
    """Whether a message is a state for which the condition holds."""
    return lambda message: message["type"] == "state" and bool(condition(message))


def answered(count: int) -> Callable[[Json], bool]:
    """Whether a message says that nobody speaks or thinks, and that the chat has this number of answers."""
    return is_state(
        lambda state: state["phase"] == "idle" and [m["role"] for m in state["chat"]].count("assistant") == count
    )


def last_heard(state: Json) -> str:
    """What was heard of the last message, if that is one of the assistant."""
    return str(state["chat"][-1].get("heard", "")) if state["chat"] else ""
