"""Mono 16-bit audio, resampling and conversion to bytes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import soxr

Samples = npt.NDArray[np.int16]

WIRE_RATE_HZ = 48_000
"""The clock rate of Opus in WebRTC. Audio is sent and received at this rate; lower ones cost 20 to 40 ms in FastRTC."""

SPEECH_RATE_HZ = 16_000
"""The sampling rate of the voice activity detector and the recognisers."""

FRAME_S = 0.020
FRAME_SAMPLES = int(WIRE_RATE_HZ * FRAME_S)
"""The length of one playout frame: 20 ms, 960 samples at the wire rate."""

SILENT_FRAME: Samples = np.zeros(FRAME_SAMPLES, np.int16)
"""A playout frame of digital silence, which is most of what is played. It can't be changed."""
SILENT_FRAME.flags.writeable = False


def is_silent(frame: Samples) -> bool:
    """Returns True if all samples are 0."""
    return frame is SILENT_FRAME or not frame.any()


@dataclass(frozen=True, slots=True, eq=False)
class Audio:
    """Mono audio: `samples` are int16 of shape (n,) at the sampling rate `rate_hz`."""

    samples: Samples
    rate_hz: int

    def __post_init__(self) -> None:
        if self.samples.dtype != np.int16 or self.samples.ndim != 1:
            raise ValueError(f"audio must be int16 of shape (n,), not {self.samples.dtype} {self.samples.shape}")
        if self.rate_hz <= 0:
            raise ValueError(f"audio rate must be positive, not {self.rate_hz}")

    @property
    def duration_s(self) -> float:
        return len(self.samples) / self.rate_hz

    @property
    def level_dbfs(self) -> float:
        """The RMS level relative to full scale, in dBFS; -120 for silence or no samples."""
        if not len(self.samples):
            return -120.0
        rms = float(np.sqrt(np.mean(np.square(self.samples, dtype=np.float64))))
        return max(-120.0, 20.0 * float(np.log10(max(rms, 1e-6) / 32768.0)))

    def resampled(self, rate_hz: int) -> Audio:
        """Returns the audio at another sampling rate. For pieces of a stream use `Resampler`."""
        if rate_hz == self.rate_hz:
            return self
        return Audio(np.asarray(soxr.resample(self.samples, self.rate_hz, rate_hz), dtype=np.int16), rate_hz)

    def to_bytes(self) -> bytes:
        """Returns little-endian 16-bit PCM."""
        return self.samples.astype("<i2", copy=False).tobytes()

    @classmethod
    def from_bytes(cls, pcm: bytes, rate_hz: int) -> Audio:
        """Reads little-endian 16-bit PCM. Raises ValueError for an odd number of bytes."""
        if len(pcm) % 2:
            raise ValueError(f"16-bit PCM needs an even number of bytes, got {len(pcm)}")
        return cls(np.frombuffer(pcm, dtype="<i2").astype(np.int16, copy=False), rate_hz)

    @classmethod
    def silence(cls, duration_s: float, rate_hz: int) -> Audio:
        return cls(np.zeros(round(duration_s * rate_hz), np.int16), rate_hz)

    @classmethod
    def joined(cls, pieces: Iterable[Audio], rate_hz: int) -> Audio:
        """Returns the concatenated pieces. Raises ValueError if one is not at `rate_hz`."""
        parts = list(pieces)
        if any(piece.rate_hz != rate_hz for piece in parts):
            raise ValueError(f"all pieces must be at {rate_hz} Hz")
        if not parts:
            return cls(np.zeros(0, np.int16), rate_hz)
        return cls(np.concatenate([piece.samples for piece in parts]), rate_hz)


SETTLED_S = 0.1
"""After this much digital silence, nothing else is left in a resampler: soxr keeps 30 ms from 48 to 16 kHz."""


class Resampler:
    """Resamples a stream piece by piece, without discontinuities between the pieces.

    It rests in digital silence, and returns as much digital silence (soxr would make noise of 1).
    """

    def __init__(self, from_hz: int, to_hz: int) -> None:
        self._from_hz = from_hz
        self._to_hz = to_hz
        self._stream = soxr.ResampleStream(from_hz, to_hz, 1, dtype="int16", quality="HQ") if from_hz != to_hz else None
        self._silent = 0
        """The length of the digital silence that was pushed last, in samples."""

    @property
    def is_resting(self) -> bool:
        """Whether so much digital silence was pushed that what the resampler holds back is silent, too."""
        return self._silent >= SETTLED_S * self._from_hz

    def push(self, audio: Audio) -> Audio:
        """Returns the resampled audio that is ready. The resampler holds back a few samples."""
        if audio.rate_hz != self._from_hz:
            raise ValueError(f"this stream is at {self._from_hz} Hz, got {audio.rate_hz} Hz")
        if self._stream is None:
            return audio
        if not is_silent(audio.samples):
            self._silent = 0
            return self._convert(audio.samples, last=False)
        resting = self.is_resting
        self._silent += len(audio.samples)
        length, rest = divmod(len(audio.samples) * self._to_hz, self._from_hz)
        if resting and not rest:  # what it holds back stays as long
            return Audio(np.zeros(length, np.int16), self._to_hz)
        return self._convert(audio.samples, last=False)

    def flush(self) -> Audio:
        """Ends the stream, and returns the samples that were held back."""
        return self._convert(np.zeros(0, np.int16), last=True)

    def _convert(self, samples: Samples, *, last: bool) -> Audio:
        if self._stream is None:
            return Audio(samples, self._to_hz)
        return Audio(np.asarray(self._stream.resample_chunk(samples, last=last), dtype=np.int16), self._to_hz)
