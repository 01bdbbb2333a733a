"""An open loudspeaker in a room: what a peer plays returns into its microphone, late and with reverberation."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from voicebot.audio.sound import FRAME_SAMPLES, WIRE_RATE_HZ, Samples


class Room:
    """Convolves the played sound with a room impulse response at 48 kHz, piece by piece.

    `level_db` is the power of the echo relative to the played sound. `delay_s` is the delay of loudspeaker and
    microphone together.
    """

    def __init__(self, response: npt.NDArray[np.float32], level_db: float, delay_s: float = 0.02) -> None:
        energy = float(np.sum(np.square(response, dtype=np.float64)))
        scaled = response * (10 ** (level_db / 20) / np.sqrt(energy))
        delayed = np.concatenate([np.zeros(round(delay_s * WIRE_RATE_HZ)), scaled])
        parts = np.pad(delayed, (0, -len(delayed) % FRAME_SAMPLES)).reshape(-1, FRAME_SAMPLES)
        self._spectra = np.fft.rfft(parts, 2 * FRAME_SAMPLES)
        """The spectrum of each 20 ms of the response. Several short transforms are much faster than one long one."""
        self._echo = np.zeros(0)
        self._start = 0
        """The position in the echo at which the next frame from the loudspeaker begins."""

    def play(self, samples: Samples) -> None:
        """Plays one frame or less from the loudspeaker."""
        if samples.any():
            spectrum = np.fft.rfft(samples.astype(np.float64), 2 * FRAME_SAMPLES)
            halves = np.fft.irfft(spectrum * self._spectra).reshape(-1, 2, FRAME_SAMPLES)
            end = self._start + (len(halves) + 1) * FRAME_SAMPLES
            self._echo = np.pad(self._echo, (0, max(0, end - len(self._echo))))
            self._echo[self._start : end - FRAME_SAMPLES] += halves[:, 0].ravel()
            self._echo[self._start + FRAME_SAMPLES : end] += halves[:, 1].ravel()
        self._start += len(samples)

    def receive_audio(self, samples: Samples) -> Samples:
        """Returns what the microphone picks up: `samples` and the echo that has arrived by now."""
        taken, self._echo = self._echo[: len(samples)], self._echo[len(samples) :]
        self._start = max(0, self._start - len(samples))
        mixed = samples.astype(np.float64)
        mixed[: len(taken)] += taken
        return np.asarray(np.clip(np.round(mixed), -32768, 32767), np.int16)


def synthetic_response(reverberation_s: float = 0.3, seed: int = 0) -> npt.NDArray[np.float32]:
    """Returns an impulse response: a direct sound, and noise that falls by 60 dB in `reverberation_s`."""
    noise = np.random.default_rng(seed).standard_normal(round(reverberation_s * WIRE_RATE_HZ))
    response = noise * 10 ** (-3 * np.arange(len(noise)) / len(noise)) * 0.05
    response[0] = 1.0
    return response.astype(np.float32)
