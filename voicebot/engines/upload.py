"""Uploaded recordings: the format, whether they are long enough, and the sound."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import Literal

import av
from av.audio.resampler import AudioResampler
from av.container import InputContainer

from voicebot.runtime import limits

Container = Literal["webm", "wav", "mp3"]


class RecordingError(ValueError):
    """The recording is not acceptable. The text says why."""


def container_of(data: bytes) -> Container:
    """Returns the format that the first bytes show. Raises RecordingError if it is not a supported one."""
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
    """Returns True for eleven set bits, a version that is not reserved, and layer III."""
    return len(data) > 1 and data[0] == 0xFF and data[1] & 0xE6 == 0xE2 and data[1] >> 3 & 3 != 1


def lasts(data: bytes, enough_s: float) -> bool:
    """Returns True if the recording holds at least `enough_s` of sound. Raises RecordingError.

    It blocks, but reads only as far as needed. It counts packets, because recorders write no length, or a wrong one, in
    the head of a file.
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

_CODECS: dict[Container, str] = {
    "webm": "opus,libopus,vorbis,pcm_f32le,pcm_s16le",
    "wav": "pcm_u8,pcm_s16le,pcm_s24le,pcm_s32le,pcm_f32le,pcm_f64le,pcm_alaw,pcm_mulaw,adpcm_ms,adpcm_ima_wav",
    "mp3": "mp3,mp3float",
}
"""What browsers and recorders write. FFmpeg opens no other decoder, such as one for video."""

_RATE_HZ = 16_000
"""The same as `audio.sound.SPEECH_RATE_HZ`. Importing that would load numpy, which the worker does not need."""

_PIECE_BYTES = 2 * _RATE_HZ


def pcm_of(data: bytes) -> Iterator[bytes]:
    """Yields a recording's sound as 16-bit PCM, 16 kHz, one channel, in pieces of about a second.

    Call it in a confined process: FFmpeg has bugs, and a file can make it spend seconds and gigabytes. Raises
    RecordingError.
    """
    container = container_of(data)
    options = {"codec_whitelist": _CODECS[container]}
    try:
        with av.open(
            io.BytesIO(data), "r", format=container, metadata_errors="replace", container_options=options
        ) as recording:
            yield from _pieces(_resampled(recording))
    except (RecordingError, MemoryError):  # FFmpeg's own error of this kind is a MemoryError and an FFmpegError
        raise
    except (av.FFmpegError, ValueError) as failure:
        raise RecordingError(f"the recording can't be read as {NAMES[container]}") from failure


def _resampled(recording: InputContainer) -> Iterator[bytes]:
    if not recording.streams.audio:
        raise RecordingError("there is no sound in the recording")
    stream = recording.streams.audio[0]
    _check(stream.codec_context.sample_rate, stream.codec_context.channels)
    resampler: AudioResampler | None = None
    form: tuple[int, str, str] | None = None
    length_s = 0.0
    for frame in recording.decode(stream):
        _check(frame.sample_rate, frame.layout.nb_channels)
        if form is None:
            form = frame.sample_rate, frame.layout.name, frame.format.name
            resampler = AudioResampler(format="s16", layout="mono", rate=_RATE_HZ)
        elif form != (frame.sample_rate, frame.layout.name, frame.format.name):
            raise RecordingError("the sound changes its sample rate, channels or format within the recording")
        length_s += frame.samples / frame.sample_rate
        if length_s > limits.UPLOAD_S:
            raise RecordingError(f"the recording is too long; {limits.UPLOAD_S:g} s are allowed")
        assert resampler is not None
        yield from map(_bytes, resampler.resample(frame))
    if resampler is not None:
        yield from map(_bytes, resampler.resample(None))


def _check(rate_hz: int, channels: int) -> None:
    if rate_hz not in limits.UPLOAD_RATES_HZ:
        lowest, highest = limits.UPLOAD_RATES_HZ[0], limits.UPLOAD_RATES_HZ[-1]
        raise RecordingError(f"its sample rate is {rate_hz} Hz; {lowest} to {highest} Hz are allowed")
    if not 1 <= channels <= limits.UPLOAD_CHANNELS:
        raise RecordingError(f"it has {channels} channels; 1 to {limits.UPLOAD_CHANNELS} are allowed")


def _bytes(frame: av.AudioFrame) -> bytes:
    return bytes(frame.planes[0])[: 2 * frame.samples]


def _pieces(pcm: Iterable[bytes]) -> Iterator[bytes]:
    piece = bytearray()
    for part in pcm:
        piece += part
        if len(piece) >= _PIECE_BYTES:
            yield bytes(piece)
            piece.clear()
    if piece:
        yield bytes(piece)
