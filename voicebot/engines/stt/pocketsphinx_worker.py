"""PocketSphinx in a process of its own (it holds the GIL while it decodes): PCM in, words out."""

from __future__ import annotations

import numpy as np
from pocketsphinx import Decoder

from voicebot.engines.worker.child import Handler, Parent, serve
from voicebot.engines.worker.frames import Kind, Message

_RATE_HZ = 16_000
_PAD = bytes(2 * int(0.3 * _RATE_HZ))
_STEP_BYTES = 2 * int(0.5 * _RATE_HZ)


def _decode(decoder: Decoder, pcm: bytes) -> str:
    decoder.start_utt()
    decoder.process_raw(_PAD + pcm + _PAD, no_search=False, full_utt=True)
    decoder.end_utt()
    hypothesis = decoder.hyp()
    return hypothesis.hypstr if hypothesis is not None else ""


def _load() -> Handler:
    decoder = Decoder(loglevel="FATAL")

    def handle(_start: Message, parent: Parent) -> None:
        pcm = bytearray()
        decoded_bytes = 0
        while True:
            message = parent.poll() or (parent.receive() if len(pcm) - decoded_bytes < _STEP_BYTES else None)
            match message:
                case None:
                    decoded_bytes = len(pcm)
                    text = _decode(decoder, bytes(pcm))
                    parent.send(Message(Kind.DATA, {"text": text, "final": 0}))
                case Message(kind=Kind.DATA, body=body):
                    pcm += body
                case Message(kind=Kind.END):
                    parent.send(Message(Kind.DATA, {"text": _decode(decoder, bytes(pcm)), "final": 1}))
                    return
                case _:
                    return

    return handle


if __name__ == "__main__":
    np.seterr(all="raise")
    serve(_load)
