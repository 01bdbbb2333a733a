"""The voice that encodes its position is located to the sample, also after Opus and fades, and only where it is."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from aiortc.codecs.opus import OpusDecoder, OpusEncoder
from aiortc.jitterbuffer import JitterFrame
from av import AudioFrame

from tests.benchmarks.heard_audio import RESOLUTION, Track, runs
from tests.support.position_voice import RATE_HZ, gains, locate, locate_among, voice
from tests.support.read_mailbox import ReadMailbox
from tests.support.rtc_recorder import HeardFrame
from voicebot.audio.sound import FRAME_S, FRAME_SAMPLES, Audio, Samples
from voicebot.session.player import Player
from voicebot.transports.webrtc.aiortc_tuning.opus import VoiceDecoder, VoiceEncoder

WINDOW = round(0.06 * RATE_HZ)


def through(encoder: OpusEncoder, decoder: OpusDecoder, sound: Samples) -> Samples:
    """Encodes and decodes the sound, frame by frame."""
    heard = []
    for start in range(0, len(sound) - FRAME_SAMPLES + 1, FRAME_SAMPLES):
        samples = sound[start : start + FRAME_SAMPLES].reshape(1, -1)
        frame = AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE_HZ, start, Fraction(1, RATE_HZ)
        for packet in encoder.encode(frame)[0]:
            for decoded in decoder.decode(JitterFrame(data=packet, timestamp=start)):
                assert isinstance(decoded, AudioFrame)
                heard.append(decoded.to_ndarray().reshape(-1, decoded.layout.nb_channels).mean(axis=1))
    return np.concatenate(heard).astype(np.int16)


def test_the_voice_is_the_same_whether_generated_whole_or_in_pieces() -> None:
    whole = voice(47_000, 100_000)
    assert np.array_equal(np.concatenate([voice(47_000, 1_300), voice(48_300, 98_700)]), whole)
    assert Audio(whole, RATE_HZ).level_dbfs == pytest.approx(-20, abs=0.5)


def test_the_voice_lies_in_the_frequency_band_of_speech() -> None:
    spectrum = np.abs(np.fft.rfft(voice(0, RATE_HZ).astype(np.float64))) ** 2
    assert spectrum[200:3_800].sum() > 0.98 * spectrum.sum()


@pytest.mark.parametrize("start", [0, 5_001, 60_007, 143_999])
def test_a_window_of_60_ms_is_located_to_the_sample(start: int) -> None:
    place = locate(voice(start, WINDOW), 0, 4 * RATE_HZ)
    assert place.position == start
    assert place.match == pytest.approx(1.0)
    assert place.sharpness > 0.5


@pytest.mark.parametrize(
    ("encoder", "decoder", "delay"),
    [(VoiceEncoder, VoiceDecoder, 120), (OpusEncoder, OpusDecoder, 312)],
    ids=["ours", "aiortc's"],
)
def test_opus_delays_the_voice_by_a_constant_number_of_samples(
    encoder: type[OpusEncoder], decoder: type[OpusDecoder], delay: int
) -> None:
    heard = through(encoder(), decoder(), voice(1_000_000, 3 * RATE_HZ))
    for at in range(4_800, 2 * RATE_HZ, 7_001):
        place = locate(heard[at : at + WINDOW], 1_000_000 - RATE_HZ, 1_000_000 + 4 * RATE_HZ)
        assert place.position == 1_000_000 + at - delay
        assert place.sharpness > 0.5


def test_noise_and_voice_from_outside_the_searched_range_do_not_match() -> None:
    noise = np.random.default_rng(1).normal(0, 3_000, WINDOW).astype(np.int16)
    assert locate(noise, 0, 4 * RATE_HZ).match < 0.3
    assert locate(voice(20 * RATE_HZ, WINDOW), 0, 4 * RATE_HZ).sharpness < 0.3
    assert locate_among(voice(20 * RATE_HZ, WINDOW), [(0, RATE_HZ), (19 * RATE_HZ, 21 * RATE_HZ)]).match > 0.99


def test_gains_measure_the_loudness_of_the_voice() -> None:
    sound = voice(1_000, 9_600) // 2
    assert gains(sound, 1_000) == pytest.approx(0.5, abs=0.01)


class Wire:
    """Passes a player's frames through Opus, as a peer records them."""

    def __init__(self, player: Player) -> None:
        self.player = player
        self.sent: list[Samples] = []

    def play(self, frames: int) -> None:
        self.sent += [self.player.next_frame() for _ in range(frames)]

    def heard(self) -> list[HeardFrame]:
        sound = through(VoiceEncoder(), VoiceDecoder(), np.concatenate(self.sent))
        starts = range(0, len(sound), FRAME_SAMPLES)
        return [
            HeardFrame(Audio(sound[start : start + FRAME_SAMPLES], RATE_HZ), start / FRAME_SAMPLES * FRAME_S)
            for start in starts
        ]


@pytest.mark.parametrize(("frames", "skipped"), [(7, 0), (25, 0), (12, 100), (31, FRAME_SAMPLES), (9, -480)])
def test_the_samples_lost_or_repeated_at_a_pause_are_measured(frames: int, skipped: int) -> None:
    """`skipped` samples are left out after the pause. If it is negative, they are played twice."""
    start, first_part = 300_000, 50 * FRAME_SAMPLES + 384
    player = Player(ReadMailbox())
    player.begin(1)
    player.open_sentence(1, 0, "one")
    player.write(1, Audio(voice(start, first_part), RATE_HZ))
    wire = Wire(player)
    wire.play(50)
    player.pause(1)
    wire.play(frames)
    player.write(1, Audio(voice(start + first_part + skipped, 60 * FRAME_SAMPLES), RATE_HZ))
    player.resume(1)
    wire.play(50)
    heard = wire.heard()
    sentences = [{"start": start, "count": 200 * FRAME_SAMPLES, "text": "story alpha", "began_s": -0.1}]
    before, after = runs(heard, 0.1)
    resumption = Track(heard, sentences).resumption(before, after)
    assert resumption is not None
    assert resumption.lost == pytest.approx(skipped, abs=RESOLUTION)
    assert Track(heard, sentences).reply_in(after) == "alpha"
