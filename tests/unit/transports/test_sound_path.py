"""The amount of sound that is decoded of the packets that a peer sends."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiortc.codecs.base import Decoder
from aiortc.jitterbuffer import JitterFrame
from aiortc.rtcrtpparameters import RTCRtpCodecParameters

from tests.support.manual_clock import Clock
from tests.support.opus_packets import payloads_of, tone
from voicebot.audio.sound import FRAME_S, FRAME_SAMPLES
from voicebot.runtime import limits
from voicebot.transports.webrtc.aiortc_tuning import sound_path
from voicebot.transports.webrtc.aiortc_tuning.sound_path import InlineDecoder

OPUS = RTCRtpCodecParameters(mimeType="audio/opus", clockRate=48_000, channels=2, payloadType=111)


class Receiver:
    """A receiver's decoder, and the length of the sound that it has decoded."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.heard_s = 0.0
        queue = SimpleNamespace(put_nowait=self._hear)
        self.decoder = InlineDecoder(cast(Any, SimpleNamespace(_track=SimpleNamespace(_queue=queue))), self.clock)
        (self._payload,) = payloads_of(tone(1))

    def _hear(self, frame: Any) -> None:
        self.heard_s += frame.samples / frame.sample_rate

    def receive_audio(self, packets: int, *, step: int = FRAME_SAMPLES, start: int = 0, every_s: float = 0.0) -> float:
        """Decodes this number of packets and returns the length of their sound in seconds."""
        before_s = self.heard_s
        for number in range(packets):
            self.decoder.put((OPUS, JitterFrame(self._payload, start + number * step)))
            self.clock.now_s += every_s
        return self.heard_s - before_s


def test_a_minute_of_sound_in_real_time_is_decoded_whole() -> None:
    assert Receiver().receive_audio(3_000, every_s=FRAME_S) == pytest.approx(60)
    assert Receiver().receive_audio(3_000, every_s=FRAME_S / 1.04) == pytest.approx(60), (
        "the client's clock may be a little fast"
    )


def test_a_burst_of_late_sound_is_decoded_up_to_five_seconds() -> None:
    receiver = Receiver()
    assert receiver.receive_audio(1_000) == pytest.approx(limits.SOUND_BURST_S, abs=0.05)
    receiver.clock.now_s += 2
    assert receiver.receive_audio(1_000, start=10_000_000) == pytest.approx(2 * limits.SOUND_SPEED, abs=0.3)


def test_timestamp_jumps_do_not_make_more_sound_than_the_limit() -> None:
    receiver = Receiver()
    assert (
        receiver.receive_audio(500, step=48_000, every_s=FRAME_S)
        <= limits.SOUND_BURST_S + 10 * limits.SOUND_SPEED + 0.3
    )


def test_a_gap_is_concealed_for_at_most_200_ms() -> None:
    receiver = Receiver()
    receiver.receive_audio(1)
    assert receiver.receive_audio(1, start=24_000) == pytest.approx(limits.CONCEALED_S + FRAME_S)
    receiver.receive_audio(1, start=100_000)
    assert receiver.receive_audio(1, start=100_000 + 11 * FRAME_SAMPLES) == pytest.approx(0.2 + FRAME_S), (
        "ten lost packets must be concealed"
    )


def test_two_alternating_codecs_keep_one_decoder_each(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    make = sound_path.decoder_for

    def decoder_for(codec: RTCRtpCodecParameters) -> Decoder:
        made.append(codec.mimeType)
        return make(codec)

    monkeypatch.setattr(sound_path, "decoder_for", decoder_for)
    receiver = Receiver()
    pcmu = RTCRtpCodecParameters(mimeType="audio/PCMU", clockRate=8_000, channels=1, payloadType=0)
    for number in range(10):
        receiver.receive_audio(1, start=number * 2 * FRAME_SAMPLES)
        receiver.decoder.put((pcmu, JitterFrame(b"\xff" * 160, number * 160)))
    assert made == ["audio/opus", "audio/PCMU"]
