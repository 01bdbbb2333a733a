"""The espeak-ng library in a process of its own (it has one global state): text in, PCM out as it is made.

After the last sound comes one message more, if the job was not cancelled: a field `marks` and, as its body, two int32
for each word espeak-ng spoke: where it begins in the text (characters, from 0) and in the sound (ms).
"""

from __future__ import annotations

import argparse
import ctypes
from array import array
from collections.abc import Iterator

import espeakng_loader

from voicebot.engines.worker.child import Parent, serve
from voicebot.engines.worker.frames import Kind, Message

# From espeak-ng's speak_lib.h.
_AUDIO_OUTPUT_SYNCHRONOUS = 2
_INITIALIZE_DONT_EXIT = 0x8000
_RATE, _PITCH, _RANGE = 1, 3, 4
_POSITION_CHARACTER = 1
_CHARS_UTF8 = 1
_OK = 0
_CONTINUE, _ABORT = 0, 1
_EVENT_LIST_TERMINATED, _EVENT_WORD = 0, 1

_BUFFER_MS = 40
"""Sound per piece: made in under a millisecond, so the first one leaves at once."""


class _EventId(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    """`espeak_EVENT`: `text_position` is in characters from 1, `audio_position` in ms."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    )


_Samples = ctypes.POINTER(ctypes.c_int16)
_Events = ctypes.POINTER(_Event)
_Callback = ctypes.CFUNCTYPE(ctypes.c_int, _Samples, ctypes.c_int, _Events)


class Synthesizer:
    """espeak-ng with one voice at a time."""

    def __init__(self, voice: str, words_per_minute: int, pitch: int, pitch_range: int) -> None:
        """`pitch` and `pitch_range` are 0 to 100. ValueError if there is no such voice."""
        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        self.rate_hz: int = self._library.espeak_Initialize(
            _AUDIO_OUTPUT_SYNCHRONOUS, _BUFFER_MS, espeakng_loader.get_data_path().encode(), _INITIALIZE_DONT_EXIT
        )
        if self.rate_hz <= 0:
            raise RuntimeError("espeak-ng found no data")
        self._parameters = ((_RATE, words_per_minute), (_PITCH, pitch), (_RANGE, pitch_range))
        self._voice = ""
        self._take_voice(voice)

    def _take_voice(self, voice: str) -> None:
        """A voice brings its own parameters along. ValueError if there is no such voice."""
        if voice == self._voice:
            return
        if self._library.espeak_SetVoiceByName(voice.encode()) != _OK:
            raise ValueError(f"espeak-ng has no voice {voice!r}")
        for parameter, value in self._parameters:
            self._library.espeak_SetParameter(parameter, value, 0)
        self._voice = voice

    def speak(self, text: str, voice: str, parent: Parent) -> None:
        """Sends the sound of `text` to the parent, piece by piece, then its marks, until its end or a CANCEL."""
        self._take_voice(voice)
        marks = array("i")
        cancelled = False

        def take(samples: ctypes._Pointer[ctypes.c_int16], count: int, events: ctypes._Pointer[_Event]) -> int:
            nonlocal cancelled
            for event in _listed(events):
                if event.type == _EVENT_WORD:
                    marks.extend((event.text_position - 1, event.audio_position))
            if count and samples:
                parent.send(Message(Kind.DATA, {"rate_hz": self.rate_hz}, ctypes.string_at(samples, 2 * count)))
            message = parent.poll()
            cancelled = message is not None and message.kind is Kind.CANCEL
            return _ABORT if cancelled else _CONTINUE

        callback = _Callback(take)
        # Control characters are commands to espeak-ng, and NUL would end the text.
        encoded = "".join(character if character.isprintable() else " " for character in text).encode()
        self._library.espeak_SetSynthCallback(callback)
        self._library.espeak_Synth(encoded, len(encoded) + 1, 0, _POSITION_CHARACTER, 0, _CHARS_UTF8, None, None)
        if not cancelled:
            parent.send(Message(Kind.DATA, {"marks": len(marks) // 2}, marks.tobytes()))


def _listed(events: ctypes._Pointer[_Event]) -> Iterator[_Event]:
    at = 0
    while events and events[at].type != _EVENT_LIST_TERMINATED:
        yield events[at]
        at += 1


class EspeakHandler:
    """Speaks with a synthesizer as the command line describes it."""

    def __init__(self) -> None:
        parser = argparse.ArgumentParser()
        parser.add_argument("voice")
        parser.add_argument("words_per_minute", type=int)
        parser.add_argument("pitch", type=int)
        parser.add_argument("pitch_range", type=int)
        self._synthesizer = Synthesizer(**vars(parser.parse_args()))

    def handle(self, start: Message, parent: Parent) -> None:
        self._synthesizer.speak(start.text("text"), start.text("voice"), parent)


if __name__ == "__main__":
    serve(EspeakHandler)
