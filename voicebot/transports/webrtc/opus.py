"""Opus as a voice bot needs it: one channel, little delay, and no holes where packets were lost."""

from __future__ import annotations

import logging

import numpy as np
from aiortc.codecs.opus import SAMPLE_RATE, SAMPLES_PER_FRAME, TIME_BASE, OpusDecoder, OpusEncoder
from aiortc.jitterbuffer import JitterFrame
from av import AudioFrame, FFmpegError, Packet
from av.frame import Frame

from voicebot.runtime import limits
from voicebot.transports.webrtc.jitter_buffer import SoundRun

logger = logging.getLogger(__name__)

BIT_RATE = 64_000
"""aiortc's is 96,000 for two channels; the MDCT mode wants this much for one voice at full bandwidth."""

COMPLEXITY = 5
"""Of 0 to 10. The default 10 costs a quarter more processor time (118 against 93 us a frame of speech)."""

MAX_CONCEALED_SAMPLES = SAMPLE_RATE
"""Nothing of a longer hole is filled: the sender was away, or is another."""


SILENT_BYTES = 3
"""A packet of this size says no more than that there is silence (RFC 6716, 4.3: the silence flag)."""


class VoiceEncoder(OpusEncoder):
    """One channel without SILK's look-ahead: 2.5 ms of delay for 6.5 ms, and half the work of aiortc's encoder.

    In silence, once the encoder says that there is nothing else, its last packet is given again. To make another would
    take twice as long as for speech (170 to 200 us: numbers too small for the processor's fast path). Speech that
    follows is as true as without that: 21.5 against 21.6 dB above its error.
    """

    def __init__(self) -> None:
        super().__init__()
        self._silence: bytes | None = None
        self._timestamp = 0
        self._spared = 0
        """Samples that were not given to the encoder, whose own time stands still for them."""
        self.codec.bit_rate = BIT_RATE
        self.codec.layout = "mono"
        self.codec.options = {"application": "lowdelay", "compression_level": str(COMPLEXITY)}

    def encode(self, frame: Frame, force_keyframe: bool = False) -> tuple[list[bytes], int]:
        """The packets of a 16-bit frame and the first one's RTP time, or none yet.

        PyAV converts and cuts frames to what the codec takes; aiortc's encoder does it once more, before that.
        """
        assert isinstance(frame, AudioFrame)
        silent = _is_silent(frame)
        if silent and self._silence is not None:
            self._spared += SAMPLES_PER_FRAME
            self._timestamp += SAMPLES_PER_FRAME
            return [self._silence], self._timestamp
        if frame.pts is not None:
            frame.pts -= self._spared
        packets = self.codec.encode(frame)
        if not packets or packets[0].pts is None:
            return [], 0
        if self.first_packet_pts is None:  # below 0 by the encoder's look-ahead
            self.first_packet_pts = packets[0].pts
        payloads = [bytes(packet) for packet in packets]
        self._silence = payloads[-1] if silent and len(payloads[-1]) <= SILENT_BYTES else None
        start = packets[0].pts - self.first_packet_pts + self._spared
        self._timestamp = start + (len(payloads) - 1) * SAMPLES_PER_FRAME
        return payloads, start


def _is_silent(frame: AudioFrame) -> bool:
    """20 ms of nothing at all; frames of another form may be anything."""
    if frame.samples != SAMPLES_PER_FRAME or frame.format.name != "s16" or frame.layout.nb_channels != 1:
        return False
    return not np.frombuffer(bytes(frame.planes[0]), np.int16, frame.samples).any()


class VoiceDecoder(OpusDecoder):
    """Decodes to one channel, and fills what is missing in RTP time by the decoder's own loss concealment.

    So the samples that come out keep time with the sender's clock, but for holes that are longer than `CONCEALED_S`: a
    sender whose clock jumps must not get sound made for it. A payload that cannot be decoded is taken for
    lost, an empty one is passed over (FFmpeg would take it for the end, and decode nothing more).
    """

    def __init__(self) -> None:
        super().__init__()
        self.codec.layout = "mono"
        self._toc = 0
        self._next_pts: int | None = None

    def decode(self, encoded_frame: JitterFrame) -> list[Frame]:
        pieces = encoded_frame.pieces if isinstance(encoded_frame, SoundRun) else [(0, encoded_frame.data)]
        frames: list[Frame] = []
        for offset, payload in pieces:
            pts = encoded_frame.timestamp + offset
            if not payload:
                continue
            try:
                frames += [*self._concealed_until(pts), *self._decoded(payload, pts)]
            except FFmpegError as error:
                logger.debug("an Opus payload of %d bytes could not be decoded: %s", len(payload), error)
            else:
                self._toc = payload[0]
        return frames

    def _concealed_until(self, pts: int) -> list[AudioFrame]:
        if self._next_pts is None or pts - self._next_pts > MAX_CONCEALED_SAMPLES:
            return []
        # A frame of length 0 was lost or not sent (RFC 6716, 3.2.1): libopus conceals it
        toc = self._toc & 0b1111_1100
        step = samples_per_frame(toc)
        end = min(pts, self._next_pts + round(limits.CONCEALED_S * SAMPLE_RATE))
        missing = range(self._next_pts, end - step + 1, step)
        return [frame for missing_pts in missing for frame in self._decoded(bytes([toc]), missing_pts)]

    def _decoded(self, payload: bytes, pts: int) -> list[AudioFrame]:
        packet = Packet(payload)
        packet.pts = pts
        packet.time_base = TIME_BASE
        frames = [frame for frame in self.codec.decode(packet) if isinstance(frame, AudioFrame)]
        self._next_pts = pts + sum(frame.samples for frame in frames)
        return frames


def samples_per_frame(toc: int) -> int:
    """How long each frame of a packet with this first byte is, at 48 kHz (RFC 6716, table 2)."""
    config = toc >> 3
    if config < 12:  # SILK: 10, 20, 40, 60 ms
        return (480, 960, 1920, 2880)[config % 4]
    if config < 16:  # hybrid: 10, 20 ms
        return (480, 960)[config % 2]
    return 120 << config % 4  # MDCT: 2.5, 5, 10, 20 ms
