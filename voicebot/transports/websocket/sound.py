"""Encodes clips as MP3."""

from __future__ import annotations

import io

import av
import numpy as np

from voicebot.audio.sound import WIRE_RATE_HZ, Samples

MP3_BIT_RATE = 64_000


def encode(samples: Samples) -> bytes:
    """Returns an MP3 file of the samples. It blocks: call it in a thread.

    The file states how much silence the encoder has added at both ends, so that clips can be joined without a gap.
    """
    out = io.BytesIO()
    with av.open(out, "w", format="mp3") as file:
        stream = file.add_stream("libmp3lame", rate=WIRE_RATE_HZ, layout="mono", bit_rate=MP3_BIT_RATE)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples).reshape(1, -1), format="s16p", layout="mono")
        frame.sample_rate = WIRE_RATE_HZ
        for packet in (*stream.encode(frame), *stream.encode(None)):
            file.mux(packet)
    return out.getvalue()
