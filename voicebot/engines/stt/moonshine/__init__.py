"""Embedded speech-to-text: Moonshine tiny-en, run by onnxruntime in threads of this process."""
