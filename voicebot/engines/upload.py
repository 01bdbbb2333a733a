"""Recordings as they are uploaded: what they are by their first bytes, and how long."""

from __future__ import annotations

import io
from typing import Literal

import av

Container = Literal["webm", "wav", "mp3"]


class RecordingError(ValueError):
    """The text says what is wrong with the data."""


def container_of(data: bytes) -> Container:
    """WebM, WAV or MP3, whatever its name or type was said to be. Raises RecordingError."""
    if not data:
        raise RecordingError("the recording is empty")
    if data.startswith(b"\x1a\x45\xdf\xa3"):
        return "webm"
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        return "wav"
    if data.startswith(b"ID3") or _begins_mp3_frame(data):
        return "mp3"
    raise RecordingError("the recording is neither WebM nor WAV nor MP3")


def _begins_mp3_frame(data: bytes) -> bool:
    """Eleven set bits, a version that is not reserved, and layer III."""
    return len(data) > 1 and data[0] == 0xFF and data[1] & 0xE6 == 0xE2 and data[1] >> 3 & 3 != 1


def lasts(data: bytes, enough_s: float) -> bool:
    """Is there as much sound? Blocks, but reads no further than that. Raises RecordingError.

    Measured from the packets: what recorders write as they go has no length in its head, or a wrong one.
    """
    container = container_of(data)
    try:
        with av.open(io.BytesIO(data), "r", format=container, metadata_errors="replace") as recording:
            if not recording.streams.audio:
                raise RecordingError("there is no sound in the recording")
            begin_s: float | None = None
            for packet in recording.demux(recording.streams.audio[0]):
                if packet.pts is None:
                    continue
                at_s = float(packet.pts * packet.time_base)
                begin_s = at_s if begin_s is None else begin_s
                if at_s + float((packet.duration or 0) * packet.time_base) - begin_s >= enough_s:
                    return True
    except av.FFmpegError as failure:
        raise RecordingError(f"the recording can't be read as {NAMES[container]}") from failure
    return False


NAMES: dict[Container, str] = {"webm": "WebM", "wav": "WAV", "mp3": "MP3"}
