"""A voice bot that pauses when you speak over it, decides what you meant, and goes on or gives way."""

import os

__version__ = "0.1.0"

# Otherwise onnxruntime keeps a device id and events about its use, and sends them to Microsoft. It reads the variable
# when it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
