"""Audio in the container formats that browsers and recorders write."""

from __future__ import annotations

import io
from fractions import Fraction
from typing import Any

import av

from voicebot.audio.sound import Samples


def encoded(samples: Samples, container: str) -> bytes:
    """Returns the audio as a file. WebM has no length in its header, as browsers' recorders write it."""
    file = io.BytesIO()
    codec = {"webm": "libopus", "wav": "pcm_s16le", "mp3": "libmp3lame"}[container]
    options = {"live": "1"} if container == "webm" else {}
    with av.open(file, "w", format=container, options=options) as recording:
        stream: Any = recording.add_stream(codec, rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[None, :], "s16", "mono")
        frame.sample_rate, frame.time_base = 16_000, Fraction(1, 16_000)
        resampler = av.AudioResampler(stream.format, "mono", stream.rate, frame_size=stream.frame_size or 0)
        for part in [*resampler.resample(frame), *resampler.resample(None), None]:
            recording.mux(stream.encode(part))
    return file.getvalue()
