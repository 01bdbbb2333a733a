"""The zip: packed for those who take a session along, and read again when they bring it back."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from datetime import UTC
from pathlib import PurePosixPath
from typing import IO, Annotated, Literal, NotRequired

from pydantic import BaseModel, FailFast, Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from voicebot.dialogue.history import History, Message, Role, merged
from voicebot.recording import report
from voicebot.recording.documents import Sound
from voicebot.recording.lane import RATE_HZ
from voicebot.recording.recorder import Take
from voicebot.runtime.limits import (
    MAX_ARCHIVE_DIRECTORY_BYTES,
    MAX_ARCHIVE_ENTRIES,
    MAX_IMPORT_MESSAGE_CHARS,
    MAX_IMPORT_MESSAGES,
    MAX_IMPORT_PACKED_BYTES,
    MAX_IMPORT_TEXT_BYTES,
    MAX_TRANSCRIPT_BYTES,
    MAX_TRANSCRIPT_COMMAS,
    MAX_TRANSCRIPT_PARTS,
)
from voicebot.storage import imports

SOUND_FILE, TRANSCRIPT_FILE = "conversation.wav", "transcript.json"

BROKEN = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, OSError, ValueError)
"""What Python's module raises where a zip is not as it should be."""

PACKED = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
FAST = 1
"""Compression of the sound: its silences shrink to nothing, and more effort gains little on the rest."""

_END = struct.Struct("<4s4H2LH")
"""The end of an archive's directory, without a comment (PKWARE's APPNOTE, 4.3.16)."""
_END_64_LOCATOR = b"PK\x06\x07"
_LOCATOR_BYTES = 20
_ENCRYPTED = 0x1


class ImportFileError(ValueError):
    """A file that can't be imported. The text says what is wrong with it."""


class _Said(TypedDict):
    role: Literal["user", "assistant"]
    text: Annotated[str, Field(max_length=MAX_IMPORT_MESSAGE_CHARS)]
    interrupted: NotRequired[bool]


class _Transcript(TypedDict):
    """As much of a `Transcript` as an import reads. A dictionary is made in half the time of a model."""

    format: Literal["voicebot.transcript"]
    version: Literal[1]
    messages: Annotated[list[_Said], Field(max_length=MAX_IMPORT_MESSAGES), FailFast()]


_TRANSCRIPT = TypeAdapter(_Transcript)


def pack(take: Take, file: IO[bytes]) -> None:
    """Write the archive into `file`, and close the take's sound. Blocking. Raises OSError."""
    moment = take.began_at.astimezone(UTC).timetuple()[:6]

    def entry(name: str) -> zipfile.ZipInfo:
        info = zipfile.ZipInfo(name, moment)
        info.compress_type = zipfile.ZIP_DEFLATED
        info.external_attr = 0o600 << 16
        return info

    def put(name: str, pieces: Iterable[str]) -> None:
        with archive.open(entry(name), "w") as target:
            for piece in pieces:
                target.write(piece.encode("utf-8", "replace"))

    try:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=FAST) as archive:
            transcript = report.transcript(take.journal, take.began_at, _described(take))
            put(TRANSCRIPT_FILE, _json(transcript, "messages"))
            put("transcript.md", [report.markdown(transcript)])
            put("events.json", _json(report.events(take.journal), "events"))
            put("timings.json", _json(report.timings(take.journal), "turns"))
            if take.sound is not None:
                with archive.open(SOUND_FILE, "w") as wav:
                    for block in take.sound.wav():
                        wav.write(block)
    finally:
        take.close()


def _json(document: BaseModel, items: str) -> Iterator[str]:
    """The document as JSON, its field `items` last and one item at a time: the whole of it at once would hold Python's
    global lock for as long as all sessions hear and play nothing."""
    head = document.model_dump_json(indent=1, exclude={items}).removesuffix("\n}")
    yield f'{head},\n "{items}": ['
    for place, item in enumerate(getattr(document, items)):
        yield f"{',' if place else ''}\n{item.model_dump_json(indent=1)}"
    yield "\n ]\n}\n"


def _described(take: Take) -> Sound | None:
    if take.sound is None:
        return None
    seconds = round(take.sound.duration_s, 3)
    return Sound(file=SOUND_FILE, rate_hz=RATE_HZ, duration_s=seconds, cut_off=take.cut_off)


def read(file: IO[bytes]) -> History:
    """What was said and heard, of an archive or of its transcript alone. Blocking. Raises ImportFileError."""
    file.seek(0)
    first = file.read(1)
    file.seek(0)
    if not first:
        raise ImportFileError("the file is empty")
    content = file.read(MAX_TRANSCRIPT_BYTES + 1) if first in b"{\xef \n\r\t" else _unpacked(file)
    return _history(content)


def read_packed(file: IO[bytes]) -> tuple[History, imports.Import]:
    """The same, and as it is stored. Blocking. Raises ImportFileError."""
    history = read(file)
    imported = imports.pack(history)
    if len(imported.packed) > MAX_IMPORT_PACKED_BYTES:
        most = f"{MAX_IMPORT_PACKED_BYTES} compressed bytes are allowed"
        raise ImportFileError(f"{TRANSCRIPT_FILE}: too much was said in it: {most}")
    return history, imported


def _unpacked(file: IO[bytes]) -> bytes:
    _check_directory(file)
    try:
        with zipfile.ZipFile(file) as archive:
            fitting = [each for each in archive.infolist() if PurePosixPath(each.filename).name == TRANSCRIPT_FILE]
            if len(fitting) != 1:
                raise ImportFileError(f"it holds {'no' if not fitting else 'more than one'} {TRANSCRIPT_FILE}")
            (info,) = fitting
            if info.flag_bits & _ENCRYPTED:
                raise ImportFileError(f"{TRANSCRIPT_FILE} is locked with a password")
            if info.compress_type not in PACKED:
                raise ImportFileError(f"{TRANSCRIPT_FILE} is compressed in a way that is not known here")
            with archive.open(info) as entry:
                return entry.read(MAX_TRANSCRIPT_BYTES + 1)
    except BROKEN as error:
        raise ImportFileError(f"the zip is damaged ({error or type(error).__name__})") from None


def _check_directory(file: IO[bytes]) -> None:
    """Before Python's module reads it."""
    size = file.seek(0, 2)
    file.seek(max(0, size - _END.size - _LOCATOR_BYTES))
    tail = file.read(_END.size + _LOCATOR_BYTES)
    if len(tail) < _END.size or not tail[-_END.size :].startswith(b"PK\x05\x06"):
        raise ImportFileError("it is no zip, or not all of it is there")
    _, _, _, _, entries, directory_bytes, _, _ = _END.unpack(tail[-_END.size :])
    too_long = entries > MAX_ARCHIVE_ENTRIES or directory_bytes > MAX_ARCHIVE_DIRECTORY_BYTES
    if too_long or tail.startswith(_END_64_LOCATOR):
        raise ImportFileError(f"the zip holds too many files ({MAX_ARCHIVE_ENTRIES} are allowed)")


def _history(content: bytes) -> History:
    if len(content) > MAX_TRANSCRIPT_BYTES:
        raise ImportFileError(f"{TRANSCRIPT_FILE} is too long: {MAX_TRANSCRIPT_BYTES} bytes are allowed")
    if content.count(b"{") + content.count(b"[") > MAX_TRANSCRIPT_PARTS:
        raise ImportFileError(
            f"{TRANSCRIPT_FILE} has too many parts: {MAX_TRANSCRIPT_PARTS} objects and lists are allowed"
        )
    if content.count(b",") > MAX_TRANSCRIPT_COMMAS:
        raise ImportFileError(f"{TRANSCRIPT_FILE} has too many parts: {MAX_TRANSCRIPT_COMMAS} commas are allowed")
    if content.count(b'"role"') > MAX_IMPORT_MESSAGES:
        raise ImportFileError(f"{TRANSCRIPT_FILE} has too many messages: {MAX_IMPORT_MESSAGES} are allowed")
    try:
        transcript = _TRANSCRIPT.validate_json(content.removeprefix(b"\xef\xbb\xbf"))
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in (TRANSCRIPT_FILE, *problem["loc"]))
        raise ImportFileError(f"{where}: {problem['msg']}") from None
    if sum(len(said["text"].encode("utf-8", "replace")) for said in transcript["messages"]) > MAX_IMPORT_TEXT_BYTES:
        raise ImportFileError(f"{TRANSCRIPT_FILE}: too much was said in it: {MAX_IMPORT_TEXT_BYTES} bytes are allowed")
    messages = map(_message, transcript["messages"])
    history = tuple(message for message in messages if message.text)
    if not history:
        raise ImportFileError(f"{TRANSCRIPT_FILE}: nothing was said in it")
    return history


def _message(said: _Said) -> Message:
    role = Role(said["role"])
    return Message(role, merged([said["text"]]), said.get("interrupted", False) and role is Role.ASSISTANT)
