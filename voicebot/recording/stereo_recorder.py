"""Records the sound of a session on disk: the user on the left channel, the bot on the right.

The files have no names, so nobody can find them, and they disappear with the process.
"""

from __future__ import annotations

import logging
import os
import struct
import tempfile
from bisect import bisect_right
from collections.abc import Iterator
from functools import cached_property
from typing import BinaryIO

import numpy as np

from voicebot.audio.sound import Audio, Resampler, Samples
from voicebot.recording.timeline import RATE_HZ, AudioSegment, TimelineAligner, segments

logger = logging.getLogger(__name__)

SAMPLE_BYTES = 2
DITHER = 1
"""The largest sample that the resampler produces from silence."""

WRITTEN_S = 0.2
"""The sound that is resampled and written at once. Frame by frame, recording took 5 % of the time of a talking session,
and 12 % of a quiet one's."""

BLOCK_SAMPLES = 65_536
"""The number of samples of each channel that are read at once."""


class StereoRecorder:
    """Records the audio from the user and the audio for the user. Times are samples since the recording began.

    The recording ends after `limit` samples of each channel, or when the disk is full. Raises OSError if no file can be
    created.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._left = _ChannelRecorder()
        try:
            self._right = _ChannelRecorder()
        except OSError:
            self._left.close()
            raise
        self._is_past_limit = False

    @property
    def is_full(self) -> bool:
        """True if sound was left out at the end, because of the limit or a full disk."""
        return self._is_past_limit or self._is_disk_full

    @property
    def _is_disk_full(self) -> bool:
        return self._left.is_disk_full or self._right.is_disk_full

    def record_user(self, audio: Audio, at: int) -> None:
        """Records audio from the user whose last sample arrived at `at`."""
        self._record(self._left, audio, at - round(audio.duration_s * RATE_HZ))

    def record_bot(self, audio: Audio, at: int) -> None:
        """Records audio for the user whose first sample is played at `at`."""
        self._record(self._right, audio, at)

    def _record(self, channel: _ChannelRecorder, audio: Audio, start: int) -> None:
        if not self.is_full:
            channel.record(audio, start)
            self._is_past_limit = start + audio.duration_s * RATE_HZ > self._limit

    def snapshot(self) -> StereoSound:
        """Returns the sound up to now. Raises OSError."""
        for channel in (self._left, self._right):
            channel.write_waiting(quietly=self._is_disk_full)
        left = self._left.snapshot()
        try:
            return StereoSound(left, self._right.snapshot(), self._limit)
        except OSError:
            left.close()
            raise

    def close(self) -> None:
        self._left.close()
        self._right.close()


class _ChannelRecorder:
    """Writes one stream into a sparse file, `WRITTEN_S` at a time. Silence is skipped, so it takes no space on disk."""

    def __init__(self) -> None:
        self._file: BinaryIO = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 (closed by `close`)
        self._aligner = TimelineAligner()
        self._resampler: Resampler | None = None
        self._rate_hz = 0
        self._rate_since = self._pushed = 0
        """The place in the stream at which the present sampling rate began, and the samples pushed at that rate."""
        self._waiting: list[Samples] = []
        """The pieces that are not resampled and written yet."""
        self._waiting_samples = 0
        self._written = 0
        """The number of samples in the file. The resampler holds back a few more."""
        self.is_disk_full = False

    def record(self, audio: Audio, start: int) -> None:
        """Appends the next piece. It began at `start`, or earlier if it arrived late."""
        if audio.rate_hz != self._rate_hz:
            self._change_rate(audio.rate_hz)
        self._aligner.add(self._offset, start)
        self._pushed += len(audio.samples)
        self._waiting.append(audio.samples)
        self._waiting_samples += len(audio.samples)
        if self._waiting_samples >= WRITTEN_S * self._rate_hz:
            self.write_waiting()

    def snapshot(self) -> _ChannelSound:
        """Returns the channel up to now, without the sound that waits to be written. Raises OSError."""
        file = os.fdopen(os.dup(self._file.fileno()), "rb", buffering=0)
        all_known = self._resampler is not None and self._resampler.is_resting and not self.is_disk_full
        length = self._offset if all_known else self._written
        return _ChannelSound(file, self._aligner.moves(), length, ends_early=self.is_disk_full)

    def close(self) -> None:
        self._file.close()

    @property
    def _offset(self) -> int:
        """The length of the stream, including the samples that the resampler holds back."""
        return self._rate_since + (self._pushed * RATE_HZ // self._rate_hz if self._rate_hz else 0)

    def _change_rate(self, rate_hz: int) -> None:
        self.write_waiting()
        if self._resampler is not None:
            self._write(self._resampler.flush().samples)
        self._rate_since = self._written = max(self._written, self._offset)
        self._resampler, self._rate_hz, self._pushed = Resampler(rate_hz, RATE_HZ), rate_hz, 0

    def write_waiting(self, *, quietly: bool = False) -> None:
        """Writes the sound that waits to be written. `quietly`: it is not logged if the disk is full."""
        if self._waiting and self._resampler is not None and not self.is_disk_full:
            sound = Audio(np.concatenate(self._waiting), self._rate_hz)
            self._waiting.clear()
            self._waiting_samples = 0
            self._write(self._resampler.push(sound).samples, quietly=quietly)

    def _write(self, samples: Samples, *, quietly: bool = False) -> None:
        position = self._written * SAMPLE_BYTES
        self._written += len(samples)
        if not len(samples) or int(np.abs(samples.astype(np.int32)).max()) <= DITHER:
            return
        pcm = memoryview(samples.astype("<i2", copy=False).tobytes())
        try:
            while pcm:  # an almost full disk accepts only a part
                count = os.pwrite(self._file.fileno(), pcm, position)
                pcm, position = pcm[count:], position + count
        except OSError as error:
            self._written, self.is_disk_full = position // SAMPLE_BYTES, True
            if not quietly:
                logger.error("a recording ends here, because it cannot be written to disk any more: %s", error)


class _ChannelSound:
    """The state of one channel at one moment."""

    def __init__(self, file: BinaryIO, moves: list[tuple[int, int]], length: int, *, ends_early: bool) -> None:
        self._file, self._moves, self._length = file, moves, length
        self.ends_early = ends_early
        """True if the disk was full, so that later sound is missing."""

    @property
    def end(self) -> int:
        """The end of the channel on the time line."""
        return max((each.position + each.length for each in self._segments[-1:]), default=0)

    def read(self, start: int, count: int) -> Samples:
        """Returns `count` samples of the time line."""
        block = np.zeros(count, "<i2")
        first = bisect_right(self._segments, start, key=lambda each: each.position) - 1
        for segment in self._segments[max(0, first) :]:
            begin, end = max(start, segment.position), min(start + count, segment.position + segment.length)
            if begin >= start + count:
                break
            if begin < end:
                position = segment.offset + begin - segment.position
                pcm = os.pread(self._file.fileno(), (end - begin) * SAMPLE_BYTES, position * SAMPLE_BYTES)
                samples = np.frombuffer(pcm[: len(pcm) // SAMPLE_BYTES * SAMPLE_BYTES], "<i2")
                block[begin - start :][: len(samples)] = samples  # the file may end in silence
        return block

    def close(self) -> None:
        self._file.close()

    @cached_property
    def _segments(self) -> list[AudioSegment]:
        return segments(self._moves, self._length)


class StereoSound:
    """The state of both channels at one moment. It is read in a thread, and must be closed."""

    def __init__(self, left: _ChannelSound, right: _ChannelSound, limit: int) -> None:
        self._left, self._right, self._limit = left, right, limit

    @cached_property
    def length(self) -> int:
        """The number of samples of each channel."""
        channels = (self._left, self._right)
        longest = max(channel.end for channel in channels)
        return max(0, min(self._limit, longest, *(channel.end for channel in channels if channel.ends_early)))

    @property
    def duration_s(self) -> float:
        return self.length / RATE_HZ

    def to_wav(self) -> Iterator[bytes]:
        """Yields a 16-bit stereo WAV file in blocks. It blocks. Raises OSError."""
        frame = 2 * SAMPLE_BYTES
        size = self.length * frame
        form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 2, RATE_HZ, RATE_HZ * frame, frame, 8 * SAMPLE_BYTES)
        head = struct.pack("<4sI4s", b"RIFF", 4 + len(form) + 8 + size, b"WAVE")
        yield head + form + struct.pack("<4sI", b"data", size)
        for start in range(0, self.length, BLOCK_SAMPLES):
            count = min(BLOCK_SAMPLES, self.length - start)
            yield np.stack([channel.read(start, count) for channel in (self._left, self._right)], axis=1).tobytes()

    def close(self) -> None:
        """Can be called more than once."""
        self._left.close()
        self._right.close()
