"""The espeak-ng library in a process of its own (it has one global state): text in, PCM out as it is made."""

from __future__ import annotations

import argparse
import ctypes

import espeakng_loader

from voicebot.engines.worker.child import Handler, Parent, serve
from voicebot.engines.worker.frames import Kind, Message

# From espeak-ng's speak_lib.h.
_AUDIO_OUTPUT_SYNCHRONOUS = 2
_INITIALIZE_DONT_EXIT = 0x8000
_RATE, _PITCH, _RANGE = 1, 3, 4
_POSITION_CHARACTER = 1
_CHARS_UTF8 = 1
_OK = 0
_CONTINUE, _ABORT = 0, 1

_BUFFER_MS = 40
"""Sound per piece: made in under a millisecond, so the first one leaves at once."""

_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int16), ctypes.c_int, ctypes.c_void_p)


class Synthesizer:
    """espeak-ng with one voice."""

    def __init__(self, voice: str, words_per_minute: int, pitch: int, pitch_range: int) -> None:
        """`pitch` and `pitch_range` are 0 to 100. ValueError if there is no such voice."""
        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        self.rate_hz: int = self._library.espeak_Initialize(
            _AUDIO_OUTPUT_SYNCHRONOUS, _BUFFER_MS, espeakng_loader.get_data_path().encode(), _INITIALIZE_DONT_EXIT
        )
        if self.rate_hz <= 0:
            raise RuntimeError("espeak-ng found no data")
        if self._library.espeak_SetVoiceByName(voice.encode()) != _OK:
            raise ValueError(f"espeak-ng has no voice {voice!r}")
        for parameter, value in ((_RATE, words_per_minute), (_PITCH, pitch), (_RANGE, pitch_range)):
            self._library.espeak_SetParameter(parameter, value, 0)

    def speak(self, text: str, parent: Parent) -> None:
        """Sends the sound of `text` to the parent, piece by piece, until its end or a CANCEL."""

        def take(samples: ctypes._Pointer[ctypes.c_int16], count: int, _events: int | None) -> int:
            if count and samples:
                parent.send(Message(Kind.DATA, {"rate_hz": self.rate_hz}, ctypes.string_at(samples, 2 * count)))
            message = parent.poll()
            return _ABORT if message is not None and message.kind is Kind.CANCEL else _CONTINUE

        callback = _Callback(take)
        # Control characters are commands to espeak-ng, and NUL would end the text.
        encoded = "".join(character if character.isprintable() else " " for character in text).encode()
        self._library.espeak_SetSynthCallback(callback)
        self._library.espeak_Synth(encoded, len(encoded) + 1, 0, _POSITION_CHARACTER, 0, _CHARS_UTF8, None, None)


def _load() -> Handler:
    parser = argparse.ArgumentParser()
    parser.add_argument("voice")
    parser.add_argument("words_per_minute", type=int)
    parser.add_argument("pitch", type=int)
    parser.add_argument("pitch_range", type=int)
    synthesizer = Synthesizer(**vars(parser.parse_args()))

    def handle(start: Message, parent: Parent) -> None:
        synthesizer.speak(start.text("text"), parent)

    return handle


if __name__ == "__main__":
    serve(_load)
