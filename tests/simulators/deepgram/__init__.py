"""Simulates Deepgram's speech-to-text on a local port: listen v1 and v2 live, and recordings over REST.

Written from Deepgram's AsyncAPI and OpenAPI descriptions (developers.deepgram.com/asyncapi.yaml, /openapi.yaml) and its
guides: /docs/finalize, /docs/audio-keep-alive, /docs/close-stream, /docs/endpointing, /docs/interim-results,
/docs/stt-troubleshooting-websocket-data-and-net-errors, /docs/flux/state, /docs/flux/configuration,
/docs/flux/configure, /docs/flux/force-end-turn, /docs/flux/close-stream.
"""

from tests.simulators.deepgram.live import Disturbance, Setting
from tests.simulators.deepgram.recognisers import (
    EmbeddedRecogniser,
    HeardWord,
    ScriptedRecogniser,
    SimulatedRecogniser,
    ToneWordRecogniser,
)
from tests.simulators.deepgram.simulator import KEY, DeepgramSimulator, Request

__all__ = [
    "KEY",
    "DeepgramSimulator",
    "Disturbance",
    "EmbeddedRecogniser",
    "HeardWord",
    "Request",
    "ScriptedRecogniser",
    "Setting",
    "SimulatedRecogniser",
    "ToneWordRecogniser",
]
