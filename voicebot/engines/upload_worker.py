"""Decodes recordings from strangers in a confined process of its own: base64 in, 16 kHz PCM out.

The body of a request is base64, if it has the field `base64`, or else a whole `speech_end` message of `/ws` in JSON.
The field `max_bytes` limits the size of the recording. The answers are PCM in pieces, then a message with the field
`cpu_s` (the processor time that the job took) and, if something is wrong, `error`. The field `in_message` is 1 if the
message is wrong rather than the recording in it. `type` is then the type of the message, if that can be read.
"""

from __future__ import annotations

import base64
import json
import time

from voicebot.engines.upload import RecordingError, pcm_of
from voicebot.engines.worker.child import Parent, limited_processor_time, serve
from voicebot.engines.worker.messages import Value, WorkerMessage
from voicebot.runtime import limits, memory

COSTLY_S = 0.1
"""An honest recording takes less. One that takes more may leave much free memory behind in this process."""


class _SpeechEndError(ValueError):
    """The message cannot be understood. `type` is its type, if that can be read."""

    def __init__(self, text: str, type: str | None = None) -> None:
        super().__init__(text)
        self.type = type


class UploadHandler:
    """Decodes one message or recording in each job."""

    def handle(self, request: WorkerMessage, parent: Parent) -> None:
        begun_s = time.process_time()
        size_mb = len(request.body) / 1e6
        outcome: dict[str, Value] = {"error": None}
        with limited_processor_time(limits.DECODER_CPU_S + limits.DECODER_CPU_S_PER_MB * size_mb):
            try:
                encoded = request.body if "base64" in request.fields else _audio_in(request.body)
                for pcm in pcm_of(_decoded(encoded, request.number("max_bytes"))):
                    parent.send({}, pcm)
            except _SpeechEndError as error:
                outcome = {"error": str(error), "in_message": 1, "type": error.type}
            except RecordingError as error:
                outcome = {"error": str(error)}
            except MemoryError:
                outcome = {"error": "the recording needs too much memory"}
        cpu_s = time.process_time() - begun_s
        parent.send({**outcome, "cpu_s": cpu_s})
        if cpu_s > COSTLY_S or outcome["error"] is not None:
            memory.return_free_memory()


def _decoded(encoded: bytes | str, max_bytes: int) -> bytes:
    """Decodes base64. Raises RecordingError if it is none, or too long."""
    if len(encoded) * 3 // 4 > max_bytes + 3:
        raise RecordingError(f"the recording is too large; {max_bytes} bytes are allowed")
    try:
        return base64.b64decode(encoded, validate=True)
    except ValueError as error:
        raise RecordingError("it is not base64") from error


def _audio_in(body: bytes) -> str:
    """Returns the field `audio` of a `speech_end` that is longer than other messages may be.

    Raises _SpeechEndError.
    """
    if sum(map(body.count, (b"[", b"{", b","))) > limits.WS_MESSAGE_PARTS:
        raise _SpeechEndError(f"the message has too many parts: {limits.WS_MESSAGE_PARTS} are allowed")
    try:
        message = json.loads(body.decode())
    except (ValueError, RecursionError) as error:
        raise _SpeechEndError(f"Invalid JSON: {str(error)[:200]}") from None
    if not isinstance(message, dict):
        raise _SpeechEndError("the message must be a JSON object")
    kind = message.get("type")
    if kind != "speech_end":
        name = kind[:40] if isinstance(kind, str) else "type"
        problem = f"{name}: the message has {len(body)} bytes; {limits.WS_TEXT_BYTES} are allowed"
        raise _SpeechEndError(problem, name if isinstance(kind, str) else None)
    audio = message.get("audio")
    if not isinstance(audio, str):
        raise _SpeechEndError("speech_end.audio: must be a string", "speech_end")
    return audio


if __name__ == "__main__":
    serve(UploadHandler, memory_bytes=limits.DECODER_MEMORY_BYTES)
