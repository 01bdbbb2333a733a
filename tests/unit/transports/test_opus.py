"""Sound through the encoder and the decoder: nothing is missing or too long, whatever happens to the packets."""

from __future__ import annotations

import numpy as np
import pytest
from aiortc.codecs.opus import OpusEncoder
from aiortc.jitterbuffer import JitterFrame
from aiortc.rtp import RtpPacket
from av import AudioFrame
from av.frame import Frame

from tests.support import sounds
from tests.support.opus_packets import frames_of, payloads_of, tone
from voicebot.audio.sound import FRAME_S, FRAME_SAMPLES, WIRE_RATE_HZ, Audio
from voicebot.transports.webrtc.aiortc_tuning.jitter_buffer import SoundRun
from voicebot.transports.webrtc.aiortc_tuning.opus import (
    MAX_CONCEALED_SAMPLES,
    VoiceDecoder,
    VoiceEncoder,
    samples_per_frame,
)

LOOK_AHEAD = 120
"""The delay of the decoded sound in samples: 2.5 ms."""


def run(payloads: dict[int, bytes]) -> SoundRun:
    """Returns a run of these payloads, by their place in the stream."""
    return SoundRun(
        [
            RtpPacket(sequence_number=place, timestamp=place * FRAME_SAMPLES, payload=payload)
            for place, payload in payloads.items()
        ]
    )


def sound(frames: list[Frame]) -> Audio:
    mono = [frame for frame in frames if isinstance(frame, AudioFrame) and frame.layout.nb_channels == 1]
    assert len(mono) == len(frames)
    return Audio(np.concatenate([frame.to_ndarray().reshape(-1) for frame in mono]), WIRE_RATE_HZ)


def pitch_hz(audio: Audio) -> float:
    spectrum = np.abs(np.fft.rfft(audio.samples * np.hanning(len(audio.samples))))
    return float(np.argmax(spectrum)) * audio.rate_hz / len(audio.samples)


@pytest.mark.parametrize(("channels", "size"), [(1, 960), (2, 960), (1, 480), (2, 1920)])
def test_a_tone_keeps_its_pitch_and_level_in_one_channel(channels: int, size: int) -> None:
    samples = tone(50)
    decoder = VoiceDecoder()
    frames = decoder.decode(run(dict(enumerate(payloads_of(samples, channels=channels, size=size)))))
    heard = sound(frames[5:])
    assert pitch_hz(heard) == pytest.approx(sounds.TONE_HZ, abs=5)
    assert heard.level_dbfs == pytest.approx(Audio(samples, WIRE_RATE_HZ).level_dbfs, abs=1)


def test_packet_timestamps_count_samples_from_zero() -> None:
    encoder = VoiceEncoder()
    times = [encoder.encode(frame)[1] for frame in frames_of(tone(4))]
    assert times == [0, 960, 1920, 2880]


def test_the_encoder_delays_the_sound_4_ms_less_than_aiortcs_encoder() -> None:
    silence_then_tone = np.concatenate([np.zeros(10 * FRAME_SAMPLES, np.int16), tone(10)])

    def onset(encoder: OpusEncoder) -> int:
        heard = sound(VoiceDecoder().decode(run(dict(enumerate(payloads_of(silence_then_tone, encoder))))))
        return int(np.argmax(np.abs(heard.samples) > 2000))

    assert onset(OpusEncoder()) - onset(VoiceEncoder()) == pytest.approx(0.004 * WIRE_RATE_HZ, abs=48)


class TirelessEncoder(VoiceEncoder):
    """Encodes silence anew each time."""

    def encode(self, frame: Frame, force_keyframe: bool = False) -> tuple[list[bytes], int]:
        self._silence = None
        return super().encode(frame, force_keyframe)


def test_silence_is_encoded_once_and_does_not_degrade_the_speech_after_it() -> None:
    speech = sounds.babble(60 * FRAME_S).samples
    samples = np.concatenate([speech, np.zeros(100 * FRAME_SAMPLES, np.int16), speech])

    def through(encoder: VoiceEncoder) -> tuple[list[bytes], float]:
        """Returns the payloads, and how far the speech after the silence is above its error, in dB."""
        packets = [encoder.encode(frame) for frame in frames_of(samples)]
        assert [time for _, time in packets] == list(range(0, len(samples), FRAME_SAMPLES))
        payloads = [payload for (payload,), _ in packets]
        heard = sound(VoiceDecoder().decode(run(dict(enumerate(payloads))))).samples.astype(np.float64)
        assert not heard[120 * FRAME_SAMPLES : 160 * FRAME_SAMPLES].any()
        said = samples[160 * FRAME_SAMPLES : -LOOK_AHEAD].astype(np.float64)
        error = heard[160 * FRAME_SAMPLES + LOOK_AHEAD :] - said
        return payloads, 10 * np.log10(np.sum(said**2) / np.sum(error**2))

    payloads, clear_db = through(VoiceEncoder())
    _, usual_db = through(TirelessEncoder())
    assert len(payloads[150]) <= 3
    assert all(payload is payloads[150] for payload in payloads[120:160])
    assert clear_db > usual_db - 0.5
    assert usual_db > 15


def test_faint_noise_is_encoded_anew_in_each_packet() -> None:
    hiss = np.random.default_rng(0).integers(-1, 2, 100 * FRAME_SAMPLES).astype(np.int16)
    payloads = payloads_of(hiss)
    assert len({id(payload) for payload in payloads}) == len(payloads)


def test_lost_packets_are_concealed_without_a_shift_of_the_timestamps() -> None:
    payloads = dict(enumerate(payloads_of(tone(20))))
    decoder = VoiceDecoder()
    first = decoder.decode(run({place: payloads[place] for place in range(10)}))
    second = decoder.decode(run({place: payloads[place] for place in range(13, 20)}))
    assert len(sound(first + second).samples) == 20 * FRAME_SAMPLES
    assert [frame.pts for frame in first + second] == [place * FRAME_SAMPLES for place in range(20)]
    concealed = sound(second[:1])
    assert concealed.level_dbfs > sound(first[5:]).level_dbfs - 12, "the tone must continue where a packet is missing"


def test_the_first_packet_may_have_any_timestamp() -> None:
    frames = VoiceDecoder().decode(run({1000: payloads_of(tone(1))[0]}))
    assert len(sound(frames).samples) == FRAME_SAMPLES


def test_a_long_gap_is_not_concealed() -> None:
    payloads = payloads_of(tone(2))
    decoder = VoiceDecoder()
    decoder.decode(run({0: payloads[0]}))
    later = 2 + MAX_CONCEALED_SAMPLES // FRAME_SAMPLES
    assert len(decoder.decode(run({later: payloads[1]}))) == 1


@pytest.mark.parametrize("broken", [b"", b"\xff\xff\xff", b"\x7b\xff\x01"])
def test_a_broken_payload_is_concealed_like_a_lost_packet(broken: bytes) -> None:
    payloads = dict(enumerate(payloads_of(tone(10)))) | {4: broken}
    decoder = VoiceDecoder()
    frames = [frame for place, payload in payloads.items() for frame in decoder.decode(run({place: payload}))]
    assert len(sound(frames).samples) == 10 * FRAME_SAMPLES


def test_a_plain_jitter_frame_is_decoded() -> None:
    payload = payloads_of(tone(1))[0]
    assert len(sound(VoiceDecoder().decode(JitterFrame(payload, 0))).samples) == FRAME_SAMPLES


@pytest.mark.parametrize(
    ("config", "duration_ms"),
    [(0, 10), (3, 60), (8, 10), (11, 60), (12, 10), (15, 20), (16, 2.5), (19, 20), (28, 2.5), (30, 10), (31, 20)],
)
def test_the_first_byte_of_a_packet_gives_the_length_of_its_frames(config: int, duration_ms: float) -> None:
    assert samples_per_frame(config << 3 | 0b111) == duration_ms * 48
