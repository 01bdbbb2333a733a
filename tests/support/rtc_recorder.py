"""Records the sound that a peer receives, with the time at which each frame arrived."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame

from tests.support.room import Room
from tests.support.signal import Signal
from voicebot.audio.sound import WIRE_RATE_HZ, Audio

SOUND_DBFS = -50.0
"""The level above which a frame is audible. It is far above what Opus makes of silence and far below quiet speech."""


@dataclass(frozen=True, slots=True)
class HeardFrame:
    """Mono audio at 48 kHz, and the monotonic time at which the decoder returned it."""

    audio: Audio
    arrived_s: float

    @property
    def is_sound(self) -> bool:
        return self.audio.level_dbfs > SOUND_DBFS


@dataclass(slots=True)
class Recorder:
    """Keeps all frames that were heard so far, in order."""

    frames: list[HeardFrame] = field(default_factory=list)
    room: Room | None = None
    _changed: Signal = field(default_factory=Signal)

    async def record(self, track: MediaStreamTrack) -> None:
        """Records until the track ends."""
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            assert isinstance(frame, AudioFrame)
            self.came(frame)
            self._changed.notify()

    def came(self, frame: AudioFrame) -> None:
        self.frames.append(HeardFrame(_mono(frame), time.monotonic()))
        if self.room is not None:
            self.room.play(self.frames[-1].audio.samples)

    def recorded(self) -> Audio:
        return Audio.joined((frame.audio for frame in self.frames), WIRE_RATE_HZ)

    async def wait_for_frames(self, count: int, timeout_s: float = 10.0) -> None:
        """Waits until `count` frames have been heard in all. Raises TimeoutError."""
        await self._changed.until(lambda: len(self.frames) >= count or None, timeout_s, f"{count} frames")

    async def wait_for_sound(self, timeout_s: float = 10.0, *, after_s: float | None = None) -> float:
        """Returns when the first audible frame arrived after the time `after_s` (default: now). Raises TimeoutError."""
        since_s = time.monotonic() if after_s is None else after_s

        def onset() -> float | None:
            later = (frame for frame in self.frames if frame.arrived_s >= since_s)
            return next((frame.arrived_s for frame in later if frame.is_sound), None)

        return await self._changed.until(onset, timeout_s, "sound")

    async def wait_for_silence(self, silence_s: float = 0.2, timeout_s: float = 30.0) -> float:
        """Returns when the last audible frame arrived, once `silence_s` of silent frames have followed it.

        Silent frames must be received: a peer that sends nothing is not silent. If no frame was ever audible, the time
        is that of the first frame. Raises TimeoutError.
        """

        def ended() -> float | None:
            quiet_s = 0.0
            for frame in reversed(self.frames):
                if frame.is_sound:
                    return frame.arrived_s if quiet_s >= silence_s else None
                quiet_s += frame.audio.duration_s
            return self.frames[0].arrived_s if quiet_s >= silence_s else None

        return await self._changed.until(ended, timeout_s, "silence")


def _mono(frame: AudioFrame) -> Audio:
    channels = frame.to_ndarray().reshape(-1, frame.layout.nb_channels)
    return Audio(channels.mean(axis=1).astype(np.int16), frame.sample_rate)
