"""The agent's tools. Builders make their own with the decorators `pure`, `effects` and `confirm`."""

from __future__ import annotations

from voicebot.agent.tools.decorators import confirm, effects, pure
from voicebot.agent.tools.policy import ToolError, ToolPolicy
from voicebot.agent.tools.toolbox import Toolbox, ToolSource, built_in_tools
from voicebot.dialogue.tool_calls import ToolTag

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
