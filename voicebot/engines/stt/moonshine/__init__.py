"""Embedded speech-to-text: Moonshine, run by onnxruntime in threads of this process."""

from voicebot.engines.stt.moonshine.engine import Moonshine
from voicebot.engines.stt.moonshine.larger import LargerModel

__all__ = ["LargerModel", "Moonshine"]
