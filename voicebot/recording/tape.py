"""The sound of a session on disk, in files without a name: nobody finds them, and they go with the process."""

from __future__ import annotations

import logging
import os
import struct
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from voicebot.audio.sound import Audio, Samples
from voicebot.recording.lane import RATE_HZ, Lane, PlacedSound

logger = logging.getLogger(__name__)

SAMPLE_BYTES = 2
DITHER = 1
"""What the resampler makes of silence."""

BLOCK = 65_536
"""Samples of each channel that are read at a time."""


@dataclass(slots=True)
class Sound:
    """Both channels as they were at one moment, to be read in a thread. It must be closed."""

    left: BinaryIO
    right: BinaryIO
    length: int
    """Samples of each channel."""

    @property
    def duration_s(self) -> float:
        return self.length / RATE_HZ

    def wav(self) -> Iterator[bytes]:
        """A stereo WAV file: 16 bits, the user on the left, the bot on the right."""
        frame = 2 * SAMPLE_BYTES
        size = self.length * frame
        form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 2, RATE_HZ, RATE_HZ * frame, frame, 8 * SAMPLE_BYTES)
        yield (
            struct.pack("<4sI4s", b"RIFF", 4 + len(form) + 8 + size, b"WAVE")
            + form
            + struct.pack("<4sI", b"data", size)
        )
        for start in range(0, self.length, BLOCK):
            count = min(BLOCK, self.length - start)
            block = np.zeros((count, 2), "<i2")
            for channel, file in enumerate((self.left, self.right)):
                pcm = os.pread(file.fileno(), count * SAMPLE_BYTES, start * SAMPLE_BYTES)
                samples = np.frombuffer(pcm[: len(pcm) // SAMPLE_BYTES * SAMPLE_BYTES], "<i2")
                block[: len(samples), channel] = samples
            yield block.tobytes()

    def close(self) -> None:
        self.left.close()
        self.right.close()


class _Track:
    """One channel's file. Silence is left out of it: a hole takes no space on disk."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        """Where it ends: as long as recordings may be, or where the disk was full."""
        self.file: BinaryIO = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 (closed by the tape)
        self._lane = Lane()
        self.full = False

    @property
    def end(self) -> int:
        """The end of what was written, in samples."""
        return self._lane.end

    def push(self, audio: Audio, start: int) -> None:
        """Adds the next piece, which began at `start`, and writes what has its place by now."""
        self._write_all(self._lane.push(audio, start))

    def flush(self) -> None:
        """Writes all that there is; more may come."""
        self._write_all(self._lane.flush())

    def _write_all(self, placed: Iterable[PlacedSound]) -> None:
        for position, samples in placed:
            self._write(position, samples)

    def _write(self, position: int, samples: Samples) -> None:
        samples, position = samples[max(0, -position) :], max(0, position)
        room = max(0, self.limit - position)
        self.full |= len(samples) > room
        samples = samples[:room]
        if not len(samples) or int(np.abs(samples.astype(np.int32)).max()) <= DITHER:
            return
        pcm = memoryview(samples.astype("<i2", copy=False).tobytes())
        at = position * SAMPLE_BYTES
        try:
            while pcm:  # a disk that is nearly full takes a part
                count = os.pwrite(self.file.fileno(), pcm, at)
                pcm, at = pcm[count:], at + count
        except OSError as error:
            self.limit, self.full = at // SAMPLE_BYTES, True
            logger.error("a recording can't be written any more, and ends here: %s", error)


class Tape:
    """Takes what comes from the user and what goes out to them; `at` counts samples of the recording's clock.

    At most `limit` samples are written, fewer if the disk is full before; nothing of what comes later is kept. Raises
    OSError if there can be no file.
    """

    def __init__(self, limit: int) -> None:
        self._left = _Track(limit)
        try:
            self._right = _Track(limit)
        except OSError:
            self._left.file.close()
            raise

    @property
    def full(self) -> bool:
        return self._left.full or self._right.full

    def heard(self, audio: Audio, at: int) -> None:
        """A piece from the user, whose last sample has come at `at`."""
        self._left.push(audio, at - round(audio.duration_s * RATE_HZ))

    def played(self, audio: Audio, at: int) -> None:
        """A piece for the user, whose first sample goes out at `at`."""
        self._right.push(audio, at)

    def sound(self) -> Sound:
        """All up to now. Raises OSError."""
        for track in (self._left, self._right):
            track.flush()
        ends = max(0, self._left.end, self._right.end)
        length = min(self._left.limit, self._right.limit, ends)
        left = os.fdopen(os.dup(self._left.file.fileno()), "rb", buffering=0)
        try:
            return Sound(left, os.fdopen(os.dup(self._right.file.fileno()), "rb", buffering=0), length)
        except OSError:
            left.close()
            raise

    def close(self) -> None:
        self._left.file.close()
        self._right.file.close()
