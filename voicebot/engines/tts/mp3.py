"""Decodes MP3 files with FFmpeg (PyAV), without the padding that the encoder and the decoder add."""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import chain

import av
import numpy as np
from av.audio.resampler import AudioResampler

from voicebot.audio.sound import Audio

_DECODER_DELAY = 529
"""Samples by which every layer III decoder is late: 528 of the filter bank and one of the overlap (LAME's tech FAQ)."""

_PIECES_PER_S = 5

_OPTIONS = {"codec_whitelist": "mp3float,mp3"}
"""FFmpeg opens no other decoder, such as one for a picture in the file's tag."""


class Mp3Error(Exception):
    """The bytes are not an MP3 file, or the file is damaged."""


def decode_mp3(data: bytes) -> Iterator[Audio]:
    """Yields the sound of a whole MP3 file in mono pieces of 0.2 s, and decodes each piece when it is asked for.

    FFmpeg removes the padding at both ends if the file declares it (LAME's fields in a Xing or Info frame). From other
    files this function removes the decoder's own delay. Raises Mp3Error, after the sound that precedes the damage.
    """
    try:
        with av.open(
            io.BytesIO(data), "r", format="mp3", metadata_errors="replace", container_options=_OPTIONS
        ) as file:
            stream = file.streams.audio[0]
            rate_hz = stream.rate
            # FFmpeg starts a stream later than 0 only when it removes declared padding.
            skip = 0 if stream.start_time else _DECODER_DELAY
            resampler = AudioResampler("s16", "mono", rate_hz, frame_size=rate_hz // _PIECES_PER_S)
            for frame in chain(file.decode(stream), (None,)):
                for piece in resampler.resample(frame):
                    samples = piece.to_ndarray()[0, skip:].astype(np.int16, copy=False)
                    skip = max(0, skip - piece.samples)
                    if len(samples):
                        yield Audio(samples, rate_hz)
    except (av.FFmpegError, ValueError) as error:
        raise Mp3Error("it is no MP3, or damaged") from error
