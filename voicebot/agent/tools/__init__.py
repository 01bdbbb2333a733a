"""The agent's tools. Builders make their own with the decorators `pure`, `effects` and `confirm`."""

from __future__ import annotations

from voicebot.agent.tools.decorators import confirm, effects, pure
from voicebot.agent.tools.policy import ToolError, ToolPolicy, ToolTag
from voicebot.agent.tools.toolbox import Toolbox, ToolSource, built_in_tools

__all__ = [
    "ToolError",
    "ToolPolicy",
    "ToolSource",
    "ToolTag",
    "Toolbox",
    "built_in_tools",
    "confirm",
    "effects",
    "pure",
]
