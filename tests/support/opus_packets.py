"""Encodes sound into Opus packets of one frame each."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from aiortc.codecs.opus import OpusEncoder
from av import AudioFrame

from tests.support import sounds
from voicebot.audio.sound import FRAME_S, FRAME_SAMPLES, WIRE_RATE_HZ, Samples
from voicebot.transports.webrtc.aiortc_tuning.opus import VoiceEncoder


def tone(frames: int) -> Samples:
    """Returns a steady tone of this number of 20 ms frames."""
    return sounds.tone(frames * FRAME_S).samples


def frames_of(samples: Samples, *, channels: int = 1, size: int = FRAME_SAMPLES) -> list[AudioFrame]:
    made = []
    for position in range(0, len(samples), size):
        piece = np.repeat(samples[position : position + size], channels)
        frame = AudioFrame.from_ndarray(
            piece.reshape(1, -1), format="s16", layout="mono" if channels == 1 else "stereo"
        )
        frame.sample_rate, frame.pts, frame.time_base = WIRE_RATE_HZ, position, Fraction(1, WIRE_RATE_HZ)
        made.append(frame)
    return made


def payloads_of(samples: Samples, encoder: OpusEncoder | None = None, **shape: int) -> list[bytes]:
    encoder = encoder or VoiceEncoder()
    return [payload for frame in frames_of(samples, **shape) for payload in encoder.encode(frame)[0]]
