"""A small formant synthesiser: a glottal source with jitter and breath, through resonators that move.

Speech synthesisers say "mm-hmm" as a sequence of letters in their speaker's reading voice. People hum it with a closed
mouth, at any pitch and with any melody. This voice does that, and says simple words with the same source and filter, so
that a classifier cannot tell hums from words by the sound of the synthesiser.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import soxr
from scipy.signal import lfilter

RATE_HZ = 16_000
_INNER_HZ = 32_000
"""The source is made at twice the rate, so that its sharp edges alias less."""
_HOP = _INNER_HZ // 200
"""The resonators move every 5 ms."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Phone:
    """The targets of one speech sound; formants are those of a man of average size, in Hz."""

    formants: tuple[float, float, float]
    voice: float = 1.0
    """How loud the vocal folds are."""
    breath: float = 0.0
    """How loud the breath through the same resonators is."""
    hiss_hz: float = 0.0
    hiss: float = 0.0
    """Where the noise of a fricative or a burst is loudest, and how loud it is."""
    nasal: float = 0.0
    """How far the nasal passage is open, 0 to 1. At 1 the mouth is closed."""
    zero_hz: float = 1_000.0
    """The frequency that a closed mouth cancels (antiresonance)."""
    duration_s: float = 0.09


_NASAL = (270.0, 1_050.0, 2_200.0)

PHONES = {
    "m": Phone(_NASAL, 0.4, nasal=1.0, zero_hz=950, duration_s=0.08),
    "n": Phone(_NASAL, 0.4, nasal=1.0, zero_hz=1_650, duration_s=0.07),
    "ng": Phone(_NASAL, 0.4, nasal=1.0, zero_hz=3_000, duration_s=0.08),
    "i": Phone((290, 2_250, 2_950), duration_s=0.12),
    "ih": Phone((400, 1_950, 2_550), duration_s=0.08),
    "e": Phone((540, 1_800, 2_550), duration_s=0.1),
    "ae": Phone((690, 1_680, 2_450), duration_s=0.13),
    "a": Phone((730, 1_180, 2_480), duration_s=0.13),
    "o": Phone((560, 900, 2_420), duration_s=0.12),
    "uh": Phone((440, 1_050, 2_300), duration_s=0.08),
    "u": Phone((310, 900, 2_280), duration_s=0.12),
    "ah": Phone((620, 1_220, 2_520), duration_s=0.11),
    "er": Phone((480, 1_300, 1_720), duration_s=0.12),
    "@": Phone((500, 1_450, 2_500), duration_s=0.07),
    "j": Phone((280, 2_250, 3_000), 0.7, duration_s=0.06),
    "w": Phone((310, 660, 2_250), 0.7, duration_s=0.07),
    "l": Phone((360, 1_100, 2_700), 0.7, duration_s=0.07),
    "r": Phone((350, 1_150, 1_600), 0.7, duration_s=0.07),
    "h": Phone((520, 1_400, 2_500), 0.0, breath=0.5, duration_s=0.07),
    "hm": Phone(_NASAL, 0.06, breath=0.3, nasal=1.0, zero_hz=950, duration_s=0.07),
    "an": Phone((600, 1_200, 2_500), nasal=0.5, duration_s=0.11),
    "@n": Phone((520, 1_400, 2_500), nasal=0.5, duration_s=0.1),
    "hn": Phone((560, 1_300, 2_500), 0.1, breath=0.5, nasal=0.4, duration_s=0.07),
    "s": Phone((400, 1_700, 2_600), 0.0, hiss_hz=5_600, hiss=0.5, duration_s=0.11),
    "z": Phone((350, 1_700, 2_600), 0.4, hiss_hz=5_600, hiss=0.25, duration_s=0.08),
    "sh": Phone((400, 1_800, 2_600), 0.0, hiss_hz=3_000, hiss=0.6, duration_s=0.11),
    "f": Phone((400, 1_100, 2_300), 0.0, hiss_hz=6_500, hiss=0.15, duration_s=0.09),
    "v": Phone((350, 1_100, 2_300), 0.4, hiss_hz=6_500, hiss=0.07, duration_s=0.06),
    "th": Phone((400, 1_500, 2_600), 0.0, hiss_hz=6_000, hiss=0.1, duration_s=0.08),
    "dh": Phone((330, 1_500, 2_600), 0.5, hiss_hz=6_000, hiss=0.04, duration_s=0.05),
}
"""From the usual tables of formants (Peterson and Barney 1952; Fujimura 1962 for the nasals). "hm" is breath
through the nose; "an", "@n" and "hn" are vowels and breath through mouth and nose, as in "uh-huh"."""

_CLOSED = {
    "p": (700.0, 0.0),
    "t": (4_200.0, 0.0),
    "k": (1_900.0, 0.0),
    "b": (700.0, 0.12),
    "d": (4_000.0, 0.12),
    "g": (1_800.0, 0.12),
}
"""Stops: where their burst is loudest, and how loud the vocal folds are behind the closure."""
_PLACES = {"p": 850.0, "b": 850.0, "t": 1_750.0, "d": 1_750.0, "k": 2_000.0, "g": 2_000.0}


@dataclass(frozen=True, slots=True)
class Speaker:
    """A speaker: pitch, size and voice quality."""

    pitch_hz: float
    tract: float
    """The factor of the formants, higher for a smaller person."""
    open_share: float
    """The open quotient of the vocal folds. A higher one sounds softer."""
    breath: float
    jitter: float
    shimmer: float
    rate: float
    band: float
    """The factor of the resonators' bandwidths."""
    dull_hz: float
    """Above this the voice falls by another 6 dB an octave."""


def random_speaker(rng: np.random.Generator) -> Speaker:
    """Returns a speaker between a deep male voice and a child's."""
    pitch_hz = float(np.exp(rng.uniform(np.log(80), np.log(300))))
    size = 1.0 + 0.16 * (np.log(pitch_hz / 120) / np.log(2))
    return Speaker(
        pitch_hz=pitch_hz,
        tract=float(size * rng.uniform(0.92, 1.1)),
        open_share=float(rng.uniform(0.45, 0.8)),
        breath=float(rng.uniform(0.0, 0.08)),
        jitter=float(rng.uniform(0.003, 0.02)),
        shimmer=float(rng.uniform(0.02, 0.12)),
        rate=float(rng.uniform(0.8, 1.35)),
        band=float(rng.uniform(0.8, 1.6)),
        dull_hz=float(np.exp(rng.uniform(np.log(300), np.log(8_000)))),
    )


@dataclass(frozen=True, slots=True)
class Melody:
    """Factors of the speaker's pitch at evenly spaced points of the utterance."""

    points: tuple[float, ...] = field(default=(1.0,))


def random_melody(rng: np.random.Generator) -> Melody:
    """Returns a melody that rises, falls, is flat, or turns once."""
    up, down = float(rng.uniform(1.1, 1.6)), float(rng.uniform(0.7, 0.95))
    shapes = (
        *((1.0, up), (1.0, down), (1.0, 1.0), (1.0, up, down), (1.0, down, up), (up, 1.0), (down, 1.0, up)),
        tuple(float(value) for value in rng.uniform(0.8, 1.3, 4)),
    )
    return Melody(shapes[int(rng.integers(len(shapes)))])


def phones_of(spelling: str) -> list[Phone]:
    """Reads "n o uh" as phones; "m:0.3" lasts 0.3 s, and "." is a silence of 60 ms."""
    phones: list[Phone] = []
    for sound in spelling.split():
        name, _, duration = sound.partition(":")
        if name == ".":
            new = [replace(PHONES["@"], voice=0.0, duration_s=0.06)]
        elif name in _CLOSED:
            hiss_hz, voice = _CLOSED[name]
            place = (250.0, _PLACES[name], 2_500.0)
            closure = Phone(place, voice, duration_s=0.06)
            burst = Phone(place, 0.0, breath=0.1, hiss_hz=hiss_hz, hiss=0.5, duration_s=0.012)
            puff = Phone((450.0, _PLACES[name], 2_500.0), 0.0, breath=0.4, duration_s=0.03)
            new = [closure, burst] if voice else [closure, burst, puff]
        else:
            new = [PHONES[name]]
        if duration:
            new[0] = replace(new[0], duration_s=float(duration))
        phones += new
    return phones


def speak(phones: Sequence[Phone], speaker: Speaker, melody: Melody, rng: np.random.Generator) -> npt.NDArray[Any]:
    """Returns the sound at 16 kHz, float, with a peak of about 0.5."""
    tracks = _Tracks(phones, speaker, rng)
    samples = len(tracks.voice) * _HOP
    source = _folds(samples, tracks, speaker, melody, rng)
    noise = rng.standard_normal(samples)
    breath = _stretched(tracks.breath, samples) * 0.25
    excited = source + noise * (breath + speaker.breath * np.abs(source))
    sound = excited
    for number in range(5):
        sound = _resonated(sound, tracks.formants[:, number], tracks.bands[:, number])
    murmur = _antiresonated(_resonated(sound, tracks.nose_hz, tracks.nose_band), tracks.zero_hz, tracks.zero_band)
    sound = murmur + 0.6 * _resonated(
        np.diff(noise, prepend=0.0) * _stretched(tracks.hiss, samples) * 0.4,
        np.maximum(tracks.hiss_hz, 300.0),
        tracks.hiss_hz * 0.4 + 300,
    )
    sound = np.asarray(soxr.resample(sound, _INNER_HZ, RATE_HZ), np.float64)
    return 0.5 * sound / max(1e-9, float(np.abs(sound).max()))


class _Tracks:
    """The parameters that change, with one value per 5 ms."""

    def __init__(self, phones: Sequence[Phone], speaker: Speaker, rng: np.random.Generator) -> None:
        counts = [
            max(2, round(phone.duration_s * float(rng.uniform(0.8, 1.25)) / speaker.rate * _INNER_HZ / _HOP))
            for phone in phones
        ]

        def track(values: Sequence[float], smooth: int) -> Floats:
            steps = np.repeat(np.asarray(values, np.float64), counts)
            window = np.hanning(smooth + 2)[1:-1]
            padded = np.pad(steps, (smooth // 2, smooth - 1 - smooth // 2), mode="edge")
            return np.asarray(np.convolve(padded, window / window.sum(), "valid"))

        spread = rng.uniform(0.93, 1.07, 3)
        formants = [track([phone.formants[n] * speaker.tract * spread[n] for phone in phones], 11) for n in range(3)]
        nasal = track([phone.nasal for phone in phones], 7)
        length = len(nasal)
        higher = [np.full(length, hz * speaker.tract) for hz in (3_500.0, 4_500.0)]
        self.formants = np.stack([*formants, *higher], axis=1)
        bands = np.array([70.0, 100.0, 150.0, 220.0, 300.0]) * speaker.band
        self.bands = bands[None, :] * (1.0 + 1.3 * nasal[:, None])
        self.nose_hz = np.full(length, 280.0 * speaker.tract)
        zero = track([phone.zero_hz if phone.nasal > 0.9 else 450.0 for phone in phones], 7) * speaker.tract
        # Without the nose, pole and zero stand at the same place and cancel.
        self.zero_hz = self.nose_hz + (zero - self.nose_hz) * np.clip(nasal * 1.5, 0.0, 1.0)
        self.nose_band = np.full(length, 90.0 * speaker.band)
        self.zero_band = 90.0 * speaker.band + 60.0 * nasal
        self.voice = track([phone.voice for phone in phones], 7)
        self.breath = track([phone.breath for phone in phones], 5)
        self.hiss = track([phone.hiss for phone in phones], 3)
        self.hiss_hz = track([phone.hiss_hz for phone in phones], 3)
        edge = min(8, length // 2)
        fade = np.ones(length)
        fade[:edge], fade[-edge:] = np.linspace(0, 1, edge), np.linspace(1, 0, edge)
        self.voice *= fade
        self.breath *= fade


def _folds(samples: int, tracks: _Tracks, speaker: Speaker, melody: Melody, rng: np.random.Generator) -> Floats:
    """Returns the derivative of the glottal flow: Rosenberg's pulses with jitter."""
    places = np.linspace(0, samples, len(melody.points)) if len(melody.points) > 1 else np.zeros(1)
    pitch = speaker.pitch_hz * np.interp(np.arange(samples), places, melody.points)
    wander = np.interp(np.arange(samples), np.linspace(0, samples, 8), rng.normal(0, 0.02, 8))
    phase = np.cumsum(pitch * (1 + wander)) / _INNER_HZ
    periods = phase.astype(np.int64)
    last = int(periods[-1]) + 2
    # Jitter moves the end of each period; shimmer is the loudness of each.
    moved = rng.normal(0, speaker.jitter, last)
    within = np.clip((phase - periods) * (1 + moved[periods]), 0.0, 1.0)
    loud = 1 + rng.normal(0, speaker.shimmer, last)[periods]
    rising, falling = speaker.open_share * 0.66, speaker.open_share * 0.34
    opening = np.pi / rising * 0.5 * np.sin(np.pi * within / rising)
    closing = -np.pi / (2 * falling) * np.sin(np.pi / 2 * (within - rising) / falling)
    flow = np.where(within < rising, opening, np.where(within < rising + falling, closing, 0.0))
    keep = float(np.exp(-2 * np.pi * speaker.dull_hz / _INNER_HZ))
    dull = lfilter([1 - keep], [1.0, -keep], flow * loud * _stretched(tracks.voice, samples))
    # This restores the loudness, as the loudness of breath and hiss is relative to it.
    return np.asarray(dull * np.sqrt(np.mean(np.square(flow)) / max(1e-9, np.mean(np.square(dull)))))


def _stretched(track: Floats, samples: int) -> Floats:
    return np.asarray(np.interp(np.arange(samples), (np.arange(len(track)) + 0.5) * _HOP, track))


def _coefficients(hz: Floats, band: Floats) -> tuple[Floats, Floats, Floats]:
    """Klatt's two-pole resonator: y = a x + b y' + c y''."""
    c = -np.exp(-2 * np.pi * band / _INNER_HZ)
    b = 2 * np.exp(-np.pi * band / _INNER_HZ) * np.cos(2 * np.pi * hz / _INNER_HZ)
    return 1 - b - c, b, c


def _resonated(sound: Floats, hz: Floats, band: Floats) -> Floats:
    gain, b, c = _coefficients(hz, band)
    out = np.empty_like(sound)
    state = np.zeros(2)
    for step in range(len(hz)):
        piece = slice(step * _HOP, (step + 1) * _HOP)
        out[piece], state = lfilter([gain[step]], [1.0, -b[step], -c[step]], sound[piece], zi=state)
    return out


def _antiresonated(sound: Floats, hz: Floats, band: Floats) -> Floats:
    gain, b, c = _coefficients(hz, band)
    out = np.empty_like(sound)
    state = np.zeros(2)
    for step in range(len(hz)):
        piece = slice(step * _HOP, (step + 1) * _HOP)
        out[piece], state = lfilter(np.array([1.0, -b[step], -c[step]]) / gain[step], [1.0], sound[piece], zi=state)
    return out
