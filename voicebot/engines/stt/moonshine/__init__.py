"""Embedded speech-to-text: Moonshine tiny-en, run by onnxruntime in threads of this process."""

from voicebot.engines.stt.moonshine.engine import Moonshine

__all__ = ["Moonshine"]
