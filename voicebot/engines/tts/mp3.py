"""MP3 to samples, as the bytes come."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import av
import numpy as np
from av.codec import CodecContext
from av.packet import Packet
from av.stream import Stream

from voicebot.audio.sound import Audio, Samples

_PIECE_FRAMES = 8
"""Frames decoded at a time: 0.2 s of 24 kHz sound, for which FFmpeg needs under half a millisecond."""

_DECODER_DELAY = 529
"""Samples by which every layer III decoder is late: 528 of the filter bank and one of the overlap (LAME's tech FAQ)."""

_INFO_MARK = re.compile(rb"Xing|Info")
_INFO_WITHIN = 4 + 32 + 4
"""The mark stands behind the frame's header and side information, which are 4 and at most 32 bytes long."""


class Mp3Error(Exception):
    """The bytes are no MP3, or a damaged one."""


class Mp3Decoder:
    """One MP3 file. Bytes go in as they come; sound comes out as soon as a frame is complete, mixed to one channel.

    Files that are played one after the other, each through a decoder of its own, join without a gap: what the encoder
    and the decoder added at both ends is left out as far as the file tells (LAME's fields in a Xing or Info frame);
    of a file that does not tell, only the decoder's own delay at the start is.
    """

    def __init__(self) -> None:
        # FFmpeg's fixed-point decoder: its samples are int16.
        self._codec = CodecContext.create("mp3", "r")
        self._head: bytes | None = b""
        """What has come of the file while it is not known whether it begins with a tag, and how long that is."""
        self._first = True
        self._rate_hz: int | None = None
        self._skip = _DECODER_DELAY
        self._padding = 0
        self._held = np.zeros(0, np.int16)
        """The newest samples: they are left out if the file ends here."""

    def push(self, data: bytes) -> Iterator[Audio]:
        """The sound that these bytes complete, in pieces of a few frames; each is decoded when it is asked for.

        Raises Mp3Error.
        """
        if sound := self._without_tag(data):
            yield from self._pieces(self._codec.parse(sound))

    def finish(self) -> Iterator[Audio]:
        """The end of the file: the sound still held back. Raises Mp3Error, also if there was none at all."""
        if self._head:
            raise Mp3Error("it ends before any sound")
        yield from self._pieces(self._codec.parse(None))
        if self._rate_hz is None:
            raise Mp3Error("there is no sound in it")

    def _without_tag(self, data: bytes) -> bytes:
        """What follows the ID3 tag that may stand at the file's start."""
        if self._head is None:
            return data
        self._head += data
        if b"ID3".startswith(self._head[:3]) and len(self._head) < 10:
            return b""
        end = _tag_bytes(self._head)
        if len(self._head) < end:
            return b""
        sound, self._head = self._head[end:], None
        return sound

    def _pieces(self, packets: Iterable[Packet[Stream]]) -> Iterator[Audio]:
        batch: list[Samples] = []
        for packet in packets:
            batch += self._decoded(packet)
            if len(batch) >= _PIECE_FRAMES:
                yield from self._trimmed(batch)
                batch = []
        yield from self._trimmed(batch)

    def _decoded(self, packet: Packet[Stream]) -> Iterator[Samples]:
        if not packet.size or self._is_info(packet):
            return
        try:
            frames = self._codec.decode(packet)
        except av.FFmpegError as error:
            raise Mp3Error("it is no MP3, or damaged") from error
        for frame in frames:
            if self._rate_hz not in (None, frame.sample_rate):
                raise Mp3Error("its sample rate changes")
            self._rate_hz = frame.sample_rate
            samples = frame.to_ndarray()
            yield samples[0] if len(samples) == 1 else samples.mean(axis=0).astype(np.int16)

    def _is_info(self, packet: Packet[Stream]) -> bool:
        """Whether this is the first frame and tells about the file instead of holding sound; it is read then."""
        first, self._first = self._first, False
        if not first:
            return False
        frame = bytes(packet)
        mark = _INFO_MARK.search(frame, 0, _INFO_WITHIN)
        if mark is None:
            return False
        if (delays := _delays(frame, mark.end())) is not None:
            self._skip = _DECODER_DELAY + delays[0]
            self._padding = max(0, delays[1] - _DECODER_DELAY)
        return True

    def _trimmed(self, batch: list[Samples]) -> Iterator[Audio]:
        if not batch or self._rate_hz is None:
            return
        samples = np.concatenate([self._held, *batch])
        start = min(self._skip, len(samples))
        self._skip -= start
        end = max(start, len(samples) - self._padding)
        self._held = samples[end:]
        if end > start:
            yield Audio(samples[start:end], self._rate_hz)


def _tag_bytes(head: bytes) -> int:
    """Length of the ID3v2 tag with which a file begins, 0 if with none. Its size has 7 bits a byte (ID3v2.4, 3.1)."""
    if not head.startswith(b"ID3"):
        return 0
    size = 0
    for byte in head[6:10]:
        size = size << 7 | byte & 0x7F
    return 10 + size


def _delays(frame: bytes, at: int) -> tuple[int, int] | None:
    """How many samples the encoder added at the file's start and end; None if it does not tell. `at`: after the mark.

    Source: LAME's "mp3 info tag" specification. Flags say which of four fields stand before LAME's own.
    """
    flags = int.from_bytes(frame[at : at + 4], "big")
    at += 4 + sum(size for bit, size in enumerate((4, 4, 100, 4)) if flags >> bit & 1)
    field = frame[at + 21 : at + 24]
    if len(field) < 3 or not any(frame[at : at + 4]):
        return None
    both = int.from_bytes(field, "big")
    return both >> 12, both & 0xFFF
