"""Synthesises text or phonemes in the voices of espeak-ng, hibari and flite."""

from __future__ import annotations

import ctypes
import subprocess
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import espeakng_loader
import numpy as np
import numpy.typing as npt
import soundfile
import soxr

RATE_HZ = 16_000

Sound = npt.NDArray[np.floating[Any]]

# From espeak-ng's speak_lib.h.
_SYNCHRONOUS = 2
_DONT_EXIT = 0x8000
_SPEED, _PITCH, _PITCH_RANGE = 1, 3, 4
_UTF8, _PHONEMES = 1, 0x100
_IPA = 2

FLITE_VOICES = ("awb", "kal", "rms", "slt")

_LANGUAGES = ("en", "en-us", "en-029", "en-gb-scotland", "en-gb-x-rp", "en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-us-nyc")
_NOT_SPEAKERS = ("whisper", "robo", "demonic", "storm", "tweaky", "croak")
"""Variants that sound like no person."""
_CRASHES = "rob"
"""With this variant espeak-ng ends the process at some phonemes."""


class Espeak:
    """The espeak-ng library, in this process."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        folder = espeakng_loader.get_data_path()
        self._rate_hz: int = self._library.espeak_Initialize(_SYNCHRONOUS, 100, folder.encode(), _DONT_EXIT)
        if self._rate_hz <= 0:
            raise RuntimeError("espeak-ng found no data")
        names = sorted(path.name for path in (Path(folder) / "voices" / "!v").iterdir())
        self.variants = [
            name for name in names if name != _CRASHES and not any(part in name.lower() for part in _NOT_SPEAKERS)
        ]
        callback_type = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int16), ctypes.c_int, ctypes.c_void_p)
        self._pieces: list[bytes] = []
        self._callback = callback_type(self._take)

    def _take(self, samples: Any, count: int, _events: Any) -> int:
        if count and samples:
            self._pieces.append(ctypes.string_at(samples, 2 * count))
        return 0

    def random_voice(self, rng: np.random.Generator) -> str:
        language = _LANGUAGES[int(rng.integers(len(_LANGUAGES)))]
        return f"{language}+{self.variants[int(rng.integers(len(self.variants)))]}"

    def say(self, text: str, voice: str, *, speed: int = 160, pitch: int = 50, pitch_range: int = 50) -> Sound:
        """Returns the sound of the text, or of the phonemes between [[ and ]], at 16 kHz."""
        if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise ValueError(f"espeak-ng has no voice {voice!r}")
        for parameter, value in ((_SPEED, speed), (_PITCH, pitch), (_PITCH_RANGE, pitch_range)):
            self._library.espeak_SetParameter(parameter, value, 0)
        self._pieces = []
        self._library.espeak_SetSynthCallback(self._callback)  # each time, as all instances share the library's
        encoded = text.encode()
        self._library.espeak_Synth(encoded, len(encoded) + 1, 0, 1, 0, _UTF8 | _PHONEMES, None, None)
        samples = np.frombuffer(b"".join(self._pieces), np.int16).astype(np.float64) / 32_768
        return np.asarray(soxr.resample(samples, self._rate_hz, RATE_HZ), np.float64)

    def phonemes(self, text: str) -> str:
        """Returns the phonemes of an American speaker, in the alphabet of the International Phonetic Association."""
        self._library.espeak_SetVoiceByName(b"en-us")
        encoded = ctypes.c_char_p(text.encode())
        self._library.espeak_TextToPhonemes.restype = ctypes.c_char_p
        found: list[str] = []
        while encoded.value is not None:
            found.append(self._library.espeak_TextToPhonemes(ctypes.byref(encoded), _UTF8, _IPA).decode())
        return " ".join(found)


class Hibari:
    """The neural voice of the wheel hibari-tts, at any pitch."""

    def __init__(self) -> None:
        from hibari import Hibari as Voice
        from hibari import dsp

        self._voice = Voice()
        self._synthesize: Callable[..., Any] = dsp.synth
        self._rate_hz: int = dsp.SR

    def phonemes(self, text: str) -> str:
        return " ".join(self._voice.phonemize(text))

    def ids(self, phonemes: str) -> npt.NDArray[np.int64]:
        """Returns the model's numbers for phonemes; Kokoro, from which this voice was made, has the same."""
        return np.asarray(self._voice.ids(phonemes), np.int64)

    def say(self, text: str, seed: int, **manner: float) -> Sound:
        return self.say_phonemes(self.phonemes(text), seed, **manner)

    def say_phonemes(self, phonemes: str, seed: int, *, speed: float = 1.0, pitch: float = 1.0) -> Sound:
        """Returns the sound of the phonemes at 16 kHz. `pitch` is a factor of the voice's pitch."""
        ids = self.ids(phonemes)
        outputs = self._voice.sess.run(None, {"ids": ids[None], "speed": np.asarray([speed], np.float32)})[:6]
        *spectrum, f0 = (output[0] for output in outputs)
        sound = self._synthesize(*spectrum, f0 * pitch, np.random.default_rng(seed))
        return np.asarray(soxr.resample(sound.astype(np.float64), self._rate_hz, RATE_HZ), np.float64)


@cache
def flite(text: str, voice: str, *, phones: bool = False, stretch: float = 1.0, pitch_hz: float | None = None) -> Sound:
    """Returns text or phones ("hh m") in a voice of flite (a Debian package) at 16 kHz. The array is shared."""
    settings = ["--setf", f"duration_stretch={stretch}"]
    if pitch_hz is not None:
        settings += ["--setf", f"int_f0_target_mean={pitch_hz}"]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "speech.wav"
        said = ["-p" if phones else "-t", f"pau {text} pau" if phones else text]
        subprocess.run(["flite", "-voice", voice, *settings, *said, "-o", str(file)], check=True, capture_output=True)
        samples, rate_hz = soundfile.read(file)
    return np.asarray(soxr.resample(samples, rate_hz, RATE_HZ), np.float64)
