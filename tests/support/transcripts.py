"""Transcripts in the format that is downloaded and imported."""

from __future__ import annotations

import json
from typing import Any

from voicebot.dialogue.history import History, Message, Role

TALK: History = (
    Message(Role.USER, "tell me <b>a</b> story"),
    Message(Role.ASSISTANT, "1. Once *upon* a time", interrupted=True),
    Message(Role.USER, "¿qué? \u202e ok"),
)


def transcript(**changes: Any) -> bytes:
    """Returns a `transcript.json` of two messages, with the given fields changed."""
    said = [{"role": "user", "text": "hello"}, {"role": "assistant", "text": "Hi.", "interrupted": True}]
    return json.dumps({"format": "voicebot.transcript", "version": 1, "messages": said} | changes).encode()
