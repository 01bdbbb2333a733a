"""A full disk ends the recording but nothing else."""

from __future__ import annotations

import errno
import io
import json
import os
import wave
import zipfile
from typing import Any

import numpy as np
import pytest

from voicebot.audio.sound import FRAME_SAMPLES, WIRE_RATE_HZ, Audio
from voicebot.recording.archive import pack_archive
from voicebot.recording.recorder import Recordings
from voicebot.recording.stereo_recorder import StereoRecorder
from voicebot.recording.timeline import RATE_HZ
from voicebot.settings import config

LOUD = Audio(np.full(FRAME_SAMPLES, 4_000, np.int16), WIRE_RATE_HZ)
ROOM_BYTES = 101_001


class FullDisk:
    """Accepts only `ROOM_BYTES` of each file. The last write that fits is cut short."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._write = os.pwrite
        monkeypatch.setattr(os, "pwrite", self)

    def __call__(self, descriptor: int, data: Any, offset: int) -> int:
        room = ROOM_BYTES - offset
        if room <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return self._write(descriptor, bytes(data)[:room], offset)


def fill(recorder: StereoRecorder, seconds: int) -> None:
    for number in range(seconds * 50):
        recorder.record_user(LOUD, (number + 1) * RATE_HZ // 50)
        recorder.record_bot(LOUD, number * RATE_HZ // 50)


def test_the_recorded_sound_ends_where_the_disk_became_full(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    FullDisk(monkeypatch)
    recorder = StereoRecorder(60 * RATE_HZ)
    fill(recorder, 10)
    sound = recorder.snapshot()
    assert recorder.is_full
    assert sound.length == ROOM_BYTES // 2
    with wave.open(io.BytesIO(b"".join(sound.to_wav()))) as wav:
        samples = np.frombuffer(wav.readframes(wav.getnframes()), "<i2").reshape(-1, 2)
    assert np.abs(samples[1_000:-1_000].astype(int) - 4_000).max() < 40
    sound.close()
    recorder.close()
    assert len(caplog.records) == 1


async def test_a_recording_cut_off_by_a_full_disk_can_still_be_exported(monkeypatch: pytest.MonkeyPatch) -> None:
    FullDisk(monkeypatch)
    recordings = Recordings(config.load())
    recorder = recordings.new(())
    recorder.begin()
    for number in range(500):
        recorder.played(LOUD.samples, ahead=number * FRAME_SAMPLES)
    snapshot = recorder.snapshot()
    assert snapshot.cut_off
    file = io.BytesIO(b"".join(pack_archive(snapshot)))
    snapshot.close()
    recordings.close()
    with zipfile.ZipFile(file) as archive:
        assert archive.testzip() is None
        told = json.loads(archive.read("transcript.json"))["sound"]
        sound = io.BytesIO(archive.read("conversation.wav"))
    with wave.open(sound) as wav:
        samples = np.frombuffer(wav.readframes(wav.getnframes()), "<i2").reshape(-1, 2)
    assert len(samples) == ROOM_BYTES // 2
    assert np.abs(samples[1_000:-1_000, 1].astype(int) - 4_000).max() < 40
    assert told["cut_off"] is True
    assert told["duration_s"] == pytest.approx(len(samples) / RATE_HZ, abs=0.001)
