"""The espeak-ng library in a process of its own: text in, PCM out as it is made.

The library crashes at some texts: 440 characters of "s's's'" end version 1.52 (espeak-ng pull request 2495), and so do
long texts of random letters. Its state is global, so it speaks one text at a time.

A request has the fields `text` and `voice`. The answers hold sound and its field `rate_hz`. The last answer has a field
`marks` and, as its body, two int32 for each word that espeak-ng spoke: the word's place in the text (in characters,
from 0) and in the sound (in ms).
"""

from __future__ import annotations

import argparse
import ctypes
from array import array
from collections.abc import Iterator
from typing import Protocol

import espeakng_loader

from voicebot.engines.worker.child import Parent, serve
from voicebot.engines.worker.messages import Value, WorkerMessage

# From espeak-ng's speak_lib.h.
_AUDIO_OUTPUT_SYNCHRONOUS = 2
_INITIALIZE_DONT_EXIT = 0x8000
_RATE, _PITCH, _RANGE = 1, 3, 4
_POSITION_CHARACTER = 1
_CHARS_UTF8 = 1
_ENDPAUSE = 0x1000
"""Adds the pause that follows the last sentence or clause: 0.34 s after a full stop, 0.17 s after a comma."""
_OK = 0
_CONTINUE = 0
_EVENT_LIST_TERMINATED, _EVENT_WORD = 0, 1

_BUFFER_MS = 40
"""Sound in each message. It is made in under a millisecond, so the first message leaves at once."""


class SpeechReceiver(Protocol):
    """Takes the sound: the worker's parent, or a stand-in for it."""

    def send(self, fields: dict[str, Value], body: bytes = b"") -> None: ...


class _EspeakEventId(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _EspeakEvent(ctypes.Structure):
    """`espeak_EVENT`: `text_position` is in characters from 1, `audio_position` in ms."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EspeakEventId),
    )


_Samples = ctypes.POINTER(ctypes.c_int16)
_Events = ctypes.POINTER(_EspeakEvent)
_Callback = ctypes.CFUNCTYPE(ctypes.c_int, _Samples, ctypes.c_int, _Events)


class EspeakSynthesizer:
    """The library, set to one voice at a time."""

    def __init__(self, voice: str, words_per_minute: int, pitch: int, pitch_range: int) -> None:
        """`pitch` and `pitch_range` are 0 to 100. Raises ValueError if there is no such voice."""
        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        self.rate_hz: int = self._library.espeak_Initialize(
            _AUDIO_OUTPUT_SYNCHRONOUS, _BUFFER_MS, espeakng_loader.get_data_path().encode(), _INITIALIZE_DONT_EXIT
        )
        if self.rate_hz <= 0:
            raise RuntimeError("espeak-ng found no data")
        self._parameters = ((_RATE, words_per_minute), (_PITCH, pitch), (_RANGE, pitch_range))
        self._voice = ""
        self._set_voice(voice)

    def _set_voice(self, voice: str) -> None:
        """Raises ValueError if there is no such voice."""
        if voice == self._voice:
            return
        if self._library.espeak_SetVoiceByName(voice.encode()) != _OK:
            raise ValueError(f"espeak-ng has no voice {voice!r}")
        for parameter, value in self._parameters:  # a voice changes the parameters to its own
            self._library.espeak_SetParameter(parameter, value, 0)
        self._voice = voice

    def speak(self, text: str, voice: str, receiver: SpeechReceiver) -> None:
        """Sends the sound of `text` to the receiver, piece by piece, then the marks of its words."""
        self._set_voice(voice)
        marks = array("i")

        def forward(samples: ctypes._Pointer[ctypes.c_int16], count: int, events: ctypes._Pointer[_EspeakEvent]) -> int:
            for event in _listed(events):
                if event.type == _EVENT_WORD:
                    marks.extend((event.text_position - 1, event.audio_position))
            if count and samples:
                receiver.send({"rate_hz": self.rate_hz}, ctypes.string_at(samples, 2 * count))
            return _CONTINUE

        callback = _Callback(forward)
        # Control characters are commands to espeak-ng, and NUL would end the text.
        encoded = "".join(character if character.isprintable() else " " for character in text).encode()
        self._library.espeak_SetSynthCallback(callback)
        self._library.espeak_Synth(
            encoded, len(encoded) + 1, 0, _POSITION_CHARACTER, 0, _CHARS_UTF8 | _ENDPAUSE, None, None
        )
        receiver.send({"marks": len(marks) // 2}, marks.tobytes())


def _listed(events: ctypes._Pointer[_EspeakEvent]) -> Iterator[_EspeakEvent]:
    """Yields the events of a list that a special event ends."""
    index = 0
    while events and events[index].type != _EVENT_LIST_TERMINATED:
        yield events[index]
        index += 1


class EspeakHandler:
    """Speaks with a synthesizer that the command line describes."""

    def __init__(self) -> None:
        parser = argparse.ArgumentParser()
        parser.add_argument("voice")
        parser.add_argument("words_per_minute", type=int)
        parser.add_argument("pitch", type=int)
        parser.add_argument("pitch_range", type=int)
        self._synthesizer = EspeakSynthesizer(**vars(parser.parse_args()))

    def handle(self, request: WorkerMessage, parent: Parent) -> None:
        self._synthesizer.speak(request.text("text"), request.text("voice"), parent)


if __name__ == "__main__":
    serve(EspeakHandler)
