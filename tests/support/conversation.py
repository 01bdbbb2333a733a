"""Conversations as tools see them, without a session."""

from __future__ import annotations

import asyncio

from voicebot.dialogue.history import History
from voicebot.engines.protocols import Style
from voicebot.runtime.limits import MAX_MESSAGE_CHARS
from voicebot.session.conversation import SessionConversation
from voicebot.session.invitations import Invitations


def conversation(id: str, history: History = ()) -> SessionConversation:
    """Returns the conversation with this identifier, in which a reply is wanted."""
    wanted = asyncio.Event()
    wanted.set()
    return SessionConversation(id, history, Style(), wanted, Invitations(), MAX_MESSAGE_CHARS)
