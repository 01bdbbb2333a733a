"""A scripted bot for WebRTC clients, and conditions for the messages that it sends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.support.engines import ScriptedAgent, ScriptedStt, ToneTts, scripted
from tests.support.live_server import serving
from voicebot.settings import config

Json = dict[str, Any]


def quick(agent: ScriptedAgent | None = None, tts: ToneTts | None = None, **settings: Any) -> Any:
    """Returns a context manager that runs a server whose scripted recogniser hears nothing."""
    return serving(scripted(ScriptedStt(), agent or ScriptedAgent(), tts or ToneTts()), config.load(**settings))


def is_state(condition: Callable[[Json], object]) -> Callable[[Json], bool]:
    """Returns a test for messages: it passes for a state message for which `condition` holds."""
    return lambda message: message["type"] == "state" and bool(condition(message))


def answered(count: int) -> Callable[[Json], bool]:
    """Returns a test for states: it passes when the bot is idle and the chat has `count` answers."""
    return is_state(
        lambda state: state["phase"] == "idle" and [m["role"] for m in state["chat"]].count("assistant") == count
    )


def last_heard(state: Json) -> str:
    """Returns the part of the last message that was heard, if it is one of the assistant."""
    return str(state["chat"][-1].get("heard", "")) if state["chat"] else ""
