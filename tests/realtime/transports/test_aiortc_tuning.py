"""aiortc with its adjustments, on real sockets: the delay of sound, its losses, and the parts left unchanged."""

from __future__ import annotations

import asyncio
import importlib.util
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiortc
import numpy as np
import pytest
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame

from tests.support.paths import PROJECT
from tests.support.rtc_client import Microphone
from tests.support.rtc_link import Link
from tests.support.sounds import tone
from voicebot.audio.sound import FRAME_SAMPLES, Samples
from voicebot.transports.webrtc import aiortc_tuning
from voicebot.transports.webrtc.aiortc_tuning import sound_path


@pytest.fixture(autouse=True)
def tuned() -> None:
    assert aiortc_tuning.apply()


# The level -------------------------------------------------------------------------------------------------------


def original_level() -> Callable[[AudioFrame], int]:
    """Returns aiortc's own function, from a second copy of its module."""
    spec = importlib.util.spec_from_file_location("aiortc.rtp_original", aiortc.rtp.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    level: Callable[[AudioFrame], int] = module.compute_audio_level_dbov
    return level


def frame_of(samples: Samples, layout: str = "mono") -> AudioFrame:
    return AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout=layout)


def test_the_audio_level_of_a_mono_frame_equals_that_of_aiortc() -> None:
    rng = np.random.default_rng(1)
    original = original_level()
    frames = [
        frame_of((rng.standard_normal(960) * 10.0**power).astype(np.int16)) for power in np.linspace(-1, 4.4, 200)
    ]
    frames += [frame_of(np.full(960, value, np.int16)) for value in (0, 1, -1, 32767, -32768)]
    frames += [frame_of(np.r_[np.int16(1), np.zeros(959, np.int16)]), frame_of(np.ones(1, np.int16))]
    assert [sound_path.audio_level_dbov(frame) for frame in frames] == [original(frame) for frame in frames]


@pytest.mark.parametrize(
    ("left", "right", "level"), [(0, 0, -127), (3277, 3277, -20), (3277, 0, -23), (-32768, 32767, 0)]
)
def test_the_audio_level_of_a_stereo_frame_is_the_mean_of_its_channels(left: int, right: int, level: int) -> None:
    silence_and_sound = np.repeat(np.array([[0, 0], [left, right]], np.int16), 480, axis=0)
    loud = np.repeat(np.array([[left, right]], np.int16), 960, axis=0)
    assert sound_path.audio_level_dbov(frame_of(loud, "stereo")) == level
    assert sound_path.audio_level_dbov(frame_of(silence_and_sound, "stereo")) == max(-127, level - 3)


# What is changed, and what is not --------------------------------------------------------------------------------


def run_python(script: str) -> str:
    done = subprocess.run([sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


STATE = """
import logging, aiortc, aioice.ice
from aiortc import RTCRtpReceiver, RTCRtpSender, rtcrtpreceiver, rtp
def state():
    return (rtp.compute_audio_level_dbov, rtcrtpreceiver.decoder_worker, RTCRtpReceiver.__init__,
            RTCRtpSender._next_encoded_frame, aioice.ice.CONSENT_INTERVAL, aioice.ice.CONSENT_FAILURES)
logging.basicConfig()
before = state()
"""


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("aiortc.__version__ = '1.17.0'", "aiortc 1.17.0 is not known"),
        ("RTCRtpReceiver.__init__ = lambda self, kind, transport: None", "has no _RTCRtpReceiver__jitter_buffer"),
        ("aioice.ice.Connection.query_consent = lambda self: None", "has no CONSENT_INTERVAL"),
    ],
)
def test_an_unknown_aiortc_is_left_unchanged_with_a_warning(change: str, reason: str) -> None:
    output = run_python(f"""{STATE}
{change}
before = state()
from voicebot.transports.webrtc import aiortc_tuning
assert not aiortc_tuning.apply()
assert state() == before
""")
    assert output.count("WARNING") == 1
    assert reason in output


def test_the_known_aiortc_is_adjusted_in_every_part_and_only_once() -> None:
    run_python(f"""{STATE}
from voicebot.transports.webrtc import aiortc_tuning
assert aiortc_tuning.apply()
adjusted = state()
assert not any(new is old for new, old in zip(adjusted, before, strict=True))
assert aiortc_tuning.apply() and state() == adjusted
""")


# Delay -----------------------------------------------------------------------------------------------------------


@dataclass
class ListeningPeer:
    """The receiving one of a pair of peers, with the frames that it heard."""

    microphone: Microphone
    link: Link
    frames: list[tuple[float, AudioFrame]] = field(default_factory=list)

    async def listen(self, track: MediaStreamTrack) -> None:
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            assert isinstance(frame, AudioFrame)
            self.frames.append((time.monotonic(), frame))

    def delays_s(self, start_s: float, end_s: float) -> list[float]:
        """Returns the delay of each frame that arrived between two moments of monotonic time."""
        heard = [(arrived_s, frame.pts or 0) for arrived_s, frame in self.frames if start_s <= arrived_s < end_s]
        return [arrived_s - self.microphone.sent_at(position) for arrived_s, position in heard]

    def missing_samples(self) -> int:
        positions = [frame.pts or 0 for _, frame in self.frames]
        return positions[-1] + FRAME_SAMPLES - sum(frame.samples for _, frame in self.frames)


@asynccontextmanager
async def pair(microphone: Microphone | None = None) -> AsyncIterator[ListeningPeer]:
    """Connects a peer with a microphone to one that listens, over a link that can lose packets. Yields the latter."""
    speaker, receiver = (RTCPeerConnection(RTCConfiguration(iceServers=[])) for _ in range(2))
    listener = ListeningPeer(microphone or Microphone(), Link(seed=7))
    sender = speaker.addTrack(listener.microphone)
    await speaker.setLocalDescription(await speaker.createOffer())
    await receiver.setRemoteDescription(speaker.localDescription)
    listening = asyncio.create_task(listener.listen(receiver.getReceivers()[0].track))
    await receiver.setLocalDescription(await receiver.createAnswer())
    await speaker.setRemoteDescription(receiver.localDescription)
    listener.link.attach(sender.transport.transport)
    listener.microphone.say(tone(8))
    try:
        yield listener
    finally:
        await speaker.close()
        await receiver.close()
        await listening


@pytest.mark.parametrize(
    ("disturb", "lost", "late"),
    [
        pytest.param(lambda link: setattr(link, "loss", 0.05), range(3, 12), range(1), id="5 % lost"),
        pytest.param(lambda link: setattr(link, "reorder", 0.2), range(1), range(10, 40), id="20 % a place late"),
        pytest.param(lambda link: link.drop_next(10), range(10, 11), range(1), id="10 lost in a row"),
    ],
)
async def test_the_delay_returns_to_normal_after_packet_loss_and_no_sample_is_missing(
    disturb: Callable[[Link], None], lost: range, late: range
) -> None:
    async with pair() as listener:
        await listener.microphone.passed(25 * FRAME_SAMPLES)
        began_s = time.monotonic()
        disturb(listener.link)
        await listener.microphone.passed(100 * FRAME_SAMPLES)
        ended_s = time.monotonic()
        listener.link.loss = listener.link.reorder = 0.0
        await listener.microphone.passed(150 * FRAME_SAMPLES)
    before = statistics.median(listener.delays_s(0, began_s))
    during = statistics.median(listener.delays_s(began_s, ended_s))
    after = statistics.median(listener.delays_s(ended_s + 0.2, ended_s + 1))
    assert before < 0.02, "aiortc's own buffer costs 80 ms"
    assert during < 0.06
    assert after < before + 0.02, "aiortc's own buffer stays at 280 ms"
    assert listener.missing_samples() == 0
    assert listener.link.lost in lost
    assert listener.link.late in late


class EndingMicrophone(Microphone):
    """Ends as FastRTC's tracks do: `recv` returns None."""

    async def recv(self) -> AudioFrame:
        return await super().recv() if len(self.sent_s) < 10 else None  # type: ignore[return-value]


async def test_a_fastrtc_track_ends_without_a_log_record(caplog: pytest.LogCaptureFixture) -> None:
    ended = asyncio.Event()
    microphone = EndingMicrophone()
    microphone.on("ended", ended.set)
    async with pair(microphone):
        await asyncio.wait_for(ended.wait(), 5)
    assert not caplog.records
