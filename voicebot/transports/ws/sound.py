"""Recordings of utterances to samples, and samples to MP3 clips. Everything here blocks: call it in a thread."""

from __future__ import annotations

import base64
import binascii
import io

import av
import numpy as np
from av.audio.resampler import AudioResampler

from voicebot.core.audio import SPEECH_RATE_HZ, WIRE_RATE_HZ, Audio, Samples
from voicebot.engines.upload import NAMES, RecordingError, container_of

LONGEST_S = 60.0
"""Of a recording; the listener's own utterances end after 30 s."""

MP3_BIT_RATE = 64_000


def decode(encoded: str, max_bytes: int) -> Audio:
    """A recording in base64 as 16 kHz sound. Raises RecordingError."""
    if len(encoded) * 3 // 4 > max_bytes + 3:
        raise RecordingError(f"the recording is too large; {max_bytes} bytes are allowed")
    try:
        data = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise RecordingError("it is not base64") from error
    container = container_of(data)
    resampler = AudioResampler(format="s16", layout="mono", rate=SPEECH_RATE_HZ)
    pieces: list[Samples] = []
    length_s = 0.0
    try:
        with av.open(io.BytesIO(data), "r", format=container, metadata_errors="replace") as recording:
            if not recording.streams.audio:
                raise RecordingError("there is no sound in the recording")
            for frame in recording.decode(recording.streams.audio[0]):
                length_s += frame.samples / frame.sample_rate
                if length_s > LONGEST_S:
                    raise RecordingError(f"the recording is too long; {LONGEST_S:g} s are allowed")
                pieces += [_samples(each) for each in resampler.resample(frame)]
            if pieces:
                pieces += [_samples(each) for each in resampler.resample(None)]
    except (av.FFmpegError, ValueError) as failure:
        if isinstance(failure, RecordingError):
            raise
        raise RecordingError(f"the recording can't be read as {NAMES[container]}") from failure
    return Audio(np.concatenate(pieces) if pieces else np.zeros(0, np.int16), SPEECH_RATE_HZ)


def _samples(frame: av.AudioFrame) -> Samples:
    return np.asarray(frame.to_ndarray(), np.int16).reshape(-1)


def encode(samples: Samples) -> bytes:
    """An MP3 file that tells what its encoder added at both ends, so that clips can be joined without a gap."""
    out = io.BytesIO()
    with av.open(out, "w", format="mp3") as file:
        stream = file.add_stream("libmp3lame", rate=WIRE_RATE_HZ, layout="mono", bit_rate=MP3_BIT_RATE)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples).reshape(1, -1), format="s16p", layout="mono")
        frame.sample_rate = WIRE_RATE_HZ
        for packet in (*stream.encode(frame), *stream.encode(None)):
            file.mux(packet)
    return out.getvalue()
