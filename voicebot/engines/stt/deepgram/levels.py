"""How loud an utterance is, and where in it there is silence."""

from __future__ import annotations

from array import array

import numpy as np

from voicebot.audio.sound import SPEECH_RATE_HZ as RATE_HZ
from voicebot.audio.sound import Samples

QUIET_DB = -30.0
"""So much fainter than the utterance's loudest 20 ms is silence (for the listener it is 26 dB below the mean)."""

FLOOR = 32_768.0**2 * 1e-7
"""Mean square of what is silence in any utterance: -70 dBFS."""

NOISE_FRAMES = 3
NOISE_DB, LOUD_DB = 6.0, -12.0
"""What the detector took for silence just before a pause is the room's noise, and so is what is hardly louder; but not
what is nearly as loud as the speech."""

FRAME = round(0.02 * RATE_HZ)


class Levels:
    """How loud a stretch of sound is: the mean square of each 20 ms."""

    def __init__(self) -> None:
        self.loudest = 0.0
        self._noise = 0.0
        self._frames = array("f")
        self._left_over = np.zeros(0, np.int16)

    def receive_audio(self, samples: Samples) -> None:
        stretch = np.concatenate([self._left_over, samples])
        whole = len(stretch) // FRAME * FRAME
        frames = np.square(stretch[:whole].reshape(-1, FRAME).astype(np.float32)).mean(axis=1)
        self.loudest = max(self.loudest, float(frames.max(initial=0.0)))
        self._frames.extend(frames.tolist())
        self._left_over = stretch[whole:]

    def rest(self) -> None:
        """The last that was heard was no speech."""
        self._noise = float(np.mean(self._frames[-NOISE_FRAMES:])) if self._frames else 0.0

    def quiet(self, start: int, end: int) -> bool:
        """Is there nothing but silence between two samples? Less than 20 ms of sound don't count."""
        noise = min(self._noise * 10 ** (NOISE_DB / 10), self.loudest * 10 ** (LOUD_DB / 10))
        silence = max(self.loudest * 10 ** (QUIET_DB / 10), noise, FLOOR)
        return max(self._frames[-(-start // FRAME) : end // FRAME], default=0.0) <= silence
