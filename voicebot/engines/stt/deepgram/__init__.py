"""Deepgram: live recognition over a WebSocket (`Deepgram`), and of whole recordings by REST (`DeepgramRest`)."""

from voicebot.engines.stt.deepgram.engine import Deepgram
from voicebot.engines.stt.deepgram.rest import DeepgramRest

__all__ = ["Deepgram", "DeepgramRest"]
