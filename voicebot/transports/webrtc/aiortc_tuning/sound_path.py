"""Replacements for parts of aiortc 1.16's sound path.

They use private members of aiortc, and `missing` returns those that the installed version lacks.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from asyncio import AbstractEventLoop, Queue
from typing import Any

import numpy as np
from aiortc import RTCRtpReceiver, RTCRtpSender, rtcrtpreceiver, rtp
from aiortc.codecs import get_decoder, get_encoder
from aiortc.codecs.base import Decoder, Encoder
from aiortc.jitterbuffer import JitterFrame
from aiortc.mediastreams import MediaStreamError
from aiortc.rtcdtlstransport import RTCDtlsTransport
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from aiortc.rtcrtpsender import RTCEncodedFrame
from av import AudioFrame, FFmpegError, Packet

from voicebot.runtime import limits
from voicebot.runtime.clock import Clock
from voicebot.transports.webrtc.aiortc_tuning.direct_sound import SoundSender, SoundSource, level_dbov
from voicebot.transports.webrtc.aiortc_tuning.jitter_buffer import SoundJitterBuffer
from voicebot.transports.webrtc.aiortc_tuning.opus import VoiceDecoder, VoiceEncoder

logger = logging.getLogger(__name__)

JITTER_BUFFER = "_RTCRtpReceiver__jitter_buffer"
DECODER_QUEUE = "_RTCRtpReceiver__decoder_queue"
ENCODER = "_RTCRtpSender__encoder"

_make_receiver = RTCRtpReceiver.__init__
_next_encoded_frame = RTCRtpSender._next_encoded_frame
_decoder_worker = rtcrtpreceiver.decoder_worker


class InlineDecoder:
    """Replaces a receiver's queue to its decoder thread: `put` decodes at once.

    Decoding a frame takes some 50 us. Handing it to a thread, and the sound back, takes longer and wakes the event loop
    twice. No more sound is decoded than a client can have spoken: `SOUND_BURST_S` at once, and then `SOUND_SPEED` times
    the elapsed time.
    """

    def __init__(self, receiver: RTCRtpReceiver, clock: Clock = time.monotonic) -> None:
        self._receiver, self._clock = receiver, clock
        self._decoders: dict[str, Decoder] = {}
        self._left_s, self._filled_s = limits.SOUND_BURST_S, clock()
        self._failed = False

    def put(self, task: tuple[RTCRtpCodecParameters, JitterFrame] | None) -> None:
        """Decodes into the receiver's track. None ends the track."""
        track = self._receiver._track
        assert track is not None, "a receiver gets its track before its first packet"
        if task is None:
            track._queue.put_nowait(None)
            return
        if not self._may_decode():
            return
        codec, encoded = task
        if codec.mimeType not in self._decoders:
            self._decoders[codec.mimeType] = decoder_for(codec)
        try:
            frames = self._decoders[codec.mimeType].decode(encoded)
        except FFmpegError as error:
            if not self._failed:
                self._failed = True
                logger.warning("%s could not be decoded: %s", codec.mimeType, error)
            return
        for frame in frames:
            assert isinstance(frame, AudioFrame)
            self._left_s -= frame.samples / frame.sample_rate
            track._queue.put_nowait(frame)

    def _may_decode(self) -> bool:
        """Returns whether there is time left in the budget, which a run of packets may overdraw a little."""
        now_s = self._clock()
        self._left_s += (now_s - self._filled_s) * limits.SOUND_SPEED
        self._left_s, self._filled_s = min(limits.SOUND_BURST_S, self._left_s), now_s
        return self._left_s > 0


def decoder_for(codec: RTCRtpCodecParameters) -> Decoder:
    return VoiceDecoder() if codec.mimeType.lower() == "audio/opus" else get_decoder(codec)


def encoder_for(codec: RTCRtpCodecParameters) -> Encoder:
    return VoiceEncoder() if codec.mimeType.lower() == "audio/opus" else get_encoder(codec)


def audio_level_dbov(frame: AudioFrame) -> int:
    """Returns the level of a packed 16-bit frame, from -127 (silence) to 0 dBov (RFC 6465, appendix A).

    aiortc's function, in pure Python, takes 22 % of an echo session's processor time. It also adds up all channels but
    divides by the samples of one, which gives 3 dB too much in stereo.
    """
    values = frame.samples * frame.layout.nb_channels
    return level_dbov(np.frombuffer(bytes(frame.planes[0]), np.int16, values))


def make_receiver(receiver: RTCRtpReceiver, kind: str, transport: RTCDtlsTransport) -> None:
    """Replaces RTCRtpReceiver.__init__."""
    _make_receiver(receiver, kind, transport)
    if kind == "audio":
        setattr(receiver, JITTER_BUFFER, SoundJitterBuffer())
        setattr(receiver, DECODER_QUEUE, InlineDecoder(receiver))


def decoder_worker(
    loop: AbstractEventLoop,
    tasks: InlineDecoder | queue.Queue[Any],
    frames: Queue[Any],
    decode_error: threading.Event,
) -> None:
    """Replaces the receiver's decoder thread, which ends at once if sound is decoded inline."""
    if not isinstance(tasks, InlineDecoder):
        _decoder_worker(loop, tasks, frames, decode_error)


async def next_encoded_frame(sender: RTCRtpSender, codec: RTCRtpCodecParameters) -> RTCEncodedFrame | None:
    """Replaces RTCRtpSender._next_encoded_frame: sound is encoded at once, not in a thread.

    A `SoundSource` sends by itself until it ends. FastRTC's tracks return None when they have ended, which is no error.
    """
    if sender.kind != "audio":
        return await _next_encoded_frame(sender, codec)
    if isinstance(sender.track, SoundSource):
        await sender.track.send_until_end(SoundSender(sender, codec, encoder_for(codec)))
    data = await sender.track.recv()
    if not isinstance(data, AudioFrame | Packet):
        raise MediaStreamError
    if not sender._enabled:
        return None
    encoder: Encoder | None = getattr(sender, ENCODER)
    if encoder is None:
        encoder = encoder_for(codec)
        setattr(sender, ENCODER, encoder)
    level: int | None = None
    if isinstance(data, AudioFrame):
        level = audio_level_dbov(data)
        payloads, timestamp = encoder.encode(data)
    else:
        payloads, timestamp = encoder.pack(data)
    if not payloads:
        return None
    return RTCEncodedFrame(payloads, timestamp, level)  # type: ignore[arg-type]  # None: no level is sent


def missing() -> list[str]:
    """Returns the members of aiortc that this module needs and the installed version does not use."""
    receiver, sender = _make_receiver.__code__.co_names, _next_encoded_frame.__code__.co_names
    needed = [(name, receiver) for name in (JITTER_BUFFER, DECODER_QUEUE, "_track")]
    needed += [(name, sender) for name in (ENCODER, "_enabled", "compute_audio_level_dbov")]
    needed.append(("decoder_worker", RTCRtpReceiver.receive.__code__.co_names))
    return [name for name, used in needed if name not in used]


def install() -> None:
    """Installs the replacements."""
    for owner, name, part in PARTS:
        setattr(owner, name, part)


PARTS: tuple[tuple[object, str, Any], ...] = (
    (rtp, "compute_audio_level_dbov", audio_level_dbov),
    (rtcrtpreceiver, "decoder_worker", decoder_worker),
    (RTCRtpReceiver, "__init__", make_receiver),
    (RTCRtpSender, "_next_encoded_frame", next_encoded_frame),
)
"""The owner and the name of each member that is replaced, and its replacement."""
