"""Deepgram: live recognition over a WebSocket (`Deepgram`), and of whole recordings by REST (`DeepgramRest`)."""

from voicebot.engines.stt.deepgram.engine import Deepgram
from voicebot.engines.stt.deepgram.rest import DeepgramRest
from voicebot.engines.stt.deepgram.transcriber import ConnectionPolicy

__all__ = ["ConnectionPolicy", "Deepgram", "DeepgramRest"]
