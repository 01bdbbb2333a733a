"""Packs the recording of a session into a zip."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator

from pydantic import BaseModel

from voicebot.recording import report
from voicebot.recording.formats import SoundFile
from voicebot.recording.recorder import RecordingSnapshot
from voicebot.recording.timeline import RATE_HZ

SOUND_FILE, TRANSCRIPT_FILE = "conversation.wav", "transcript.json"

PIECE_BYTES = 256 * 1024
"""The length of a piece before compression. Packing one takes about 10 ms."""

FAST = 1
"""The compression level. It removes silence almost completely; higher levels gain little on other sound."""


def pack_archive(recording: RecordingSnapshot) -> Iterator[bytes]:
    """Yields the zip piece by piece, so that it is never completely in memory or on disk. A piece can be empty.

    It blocks. Raises OSError if the sound cannot be read.
    """
    output, added = _Output(), 0
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED, compresslevel=FAST) as archive:
        for name, content in _files(recording):
            with archive.open(name, "w") as entry:
                for piece in content:
                    entry.write(piece)
                    added += len(piece)
                    if added >= PIECE_BYTES:
                        yield output.take()
                        added = 0
    yield output.take()


class _Output(io.RawIOBase):
    """A write-only file that collects the bytes written since the last `take`. zipfile accepts that it cannot seek."""

    def __init__(self) -> None:
        self._written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: bytes, /) -> int:  # type: ignore[override]
        self._written += data
        return len(data)

    def take(self) -> bytes:
        written = bytes(self._written)
        self._written.clear()
        return written


def _files(recording: RecordingSnapshot) -> Iterator[tuple[str, Iterator[bytes]]]:
    sound = recording.sound
    if sound is None:
        described = None
    else:
        seconds = round(sound.duration_s, 3)
        described = SoundFile(file=SOUND_FILE, rate_hz=RATE_HZ, duration_s=seconds, cut_off=recording.cut_off)
    transcript = report.transcript(recording.log, recording.began_at, described)
    yield TRANSCRIPT_FILE, _json(transcript, "calls", "messages")
    yield "transcript.md", iter([report.markdown(transcript).encode("utf-8", "replace")])
    yield "events.json", _json(report.events(recording.log), "events")
    if sound is not None:
        yield SOUND_FILE, sound.to_wav()


def _json(document: BaseModel, *lists: str) -> Iterator[bytes]:
    """Yields the document as JSON, with its `lists` last and one item at a time.

    Serialising all of it at once would hold Python's global lock, and no session could hear or play meanwhile.
    """
    yield document.model_dump_json(indent=1, exclude=set(lists)).removesuffix("\n}").encode("utf-8", "replace")
    for name in lists:
        yield f',\n "{name}": ['.encode()
        for place, item in enumerate(getattr(document, name)):
            text = item.model_dump_json(exclude_defaults=True)
            yield f"{',' if place else ''}\n  {text}".encode("utf-8", "replace")
        yield b"\n ]"
    yield b"\n}\n"
