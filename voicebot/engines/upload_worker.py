"""Decodes strangers' recordings in a confined process of its own: one message of `/ws` in, 16 kHz PCM out.

A job is START with the field `max_bytes`, then the message's JSON in DATA messages, and END. With the field `base64` in
START it is only what stood in the message's field `audio`. The answer is PCM in pieces, then a DATA with the field
`cpu_s`, the processor time that it took, and `error` if something is wrong. `message` is then 1 if it is the message
rather than the recording in it, and `type` is the message's type if that much can be read.
"""

from __future__ import annotations

import base64
import binascii
import json
import time

from voicebot.engines.upload import RecordingError, pcm_of
from voicebot.engines.worker.child import Parent, limited_processor_time, serve
from voicebot.engines.worker.frames import Kind, Message, Value
from voicebot.runtime import limits, memory

COSTLY_S = 0.1
"""An honest recording takes less; what takes more may have left much free memory in this process."""


class _MessageError(ValueError):
    """The message can't be understood; `type` is its type, if that much can be read."""

    def __init__(self, text: str, type: str | None = None) -> None:
        super().__init__(text)
        self.type = type


class UploadHandler:
    """Decodes one message or recording a job."""

    def handle(self, start: Message, parent: Parent) -> None:
        max_bytes = start.fields["max_bytes"]
        assert isinstance(max_bytes, int)
        begun_s = time.process_time()
        sent = _input(parent)
        if sent is None:
            return
        size_mb = len(sent) / 1e6
        outcome: dict[str, Value] = {"error": None}
        with limited_processor_time(limits.DECODER_CPU_S + limits.DECODER_CPU_S_PER_MB * size_mb):
            try:
                encoded = bytes(sent) if "base64" in start.fields else _audio_in(sent)
                if not _answer(encoded, max_bytes, parent):
                    return
            except _MessageError as error:
                outcome = {"error": str(error), "message": 1, "type": error.type}
            except RecordingError as error:
                outcome = {"error": str(error)}
            except MemoryError:
                outcome = {"error": "the recording needs too much memory"}
        cpu_s = time.process_time() - begun_s
        parent.send(Message(Kind.DATA, {**outcome, "cpu_s": cpu_s}))
        if cpu_s > COSTLY_S or outcome["error"] is not None:
            memory.give_back()


def _input(parent: Parent) -> bytearray | None:
    """All that the parent sends; None if the job is cancelled before the end of it."""
    sent = bytearray()
    while (message := parent.receive()) is not None and message.kind is Kind.DATA:
        sent += message.body
    return sent if message is not None and message.kind is Kind.END else None


def _answer(encoded: bytes | str, max_bytes: int, parent: Parent) -> bool:
    """Sends the recording's sound. Returns False if the job was cancelled meanwhile."""
    if len(encoded) * 3 // 4 > max_bytes + 3:
        raise RecordingError(f"the recording is too large; {max_bytes} bytes are allowed")
    try:
        data = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise RecordingError("it is not base64") from error
    for pcm in pcm_of(data):
        parent.send(Message(Kind.DATA, body=pcm))
        asked = parent.poll()
        if asked is not None and asked.kind is Kind.CANCEL:
            return False
    return True


def _audio_in(body: bytearray) -> str:
    """The base64 in a `speech_end` that is longer than other messages may be. Raises _MessageError."""
    if sum(map(body.count, (b"[", b"{", b","))) > limits.WS_MESSAGE_PARTS:
        raise _MessageError(f"the message has too many parts: {limits.WS_MESSAGE_PARTS} are allowed")
    try:
        message = json.loads(body.decode())
    except (ValueError, RecursionError) as error:
        raise _MessageError(f"Invalid JSON: {str(error)[:200]}") from None
    if not isinstance(message, dict):
        raise _MessageError("the message must be a JSON object")
    kind = message.get("type")
    if kind != "speech_end":
        name = kind[:40] if isinstance(kind, str) else "type"
        problem = f"{name}: the message has {len(body)} bytes; {limits.WS_TEXT_BYTES} are allowed"
        raise _MessageError(problem, name if isinstance(kind, str) else None)
    audio = message.get("audio")
    if not isinstance(audio, str):
        raise _MessageError("speech_end.audio: must be a string", "speech_end")
    return audio


if __name__ == "__main__":
    serve(UploadHandler, memory_bytes=limits.DECODER_MEMORY_BYTES)
