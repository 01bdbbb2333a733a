"""Clips of hums and words, made on the spot: the same seed makes the same clips."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tools.hums.conditions import Condition, bent, recorded, trimmed
from tools.hums.own_voice import phones_of, random_melody, random_speaker, speak
from tools.hums.synthesisers import FLITE_VOICES, Espeak, Hibari, flite
from tools.hums.vocabulary import (
    ESPEAK_HUMS,
    FLITE_HUMS,
    HIBARI_HUMS,
    OWN_HUMS,
    HumSpelling,
    Kind,
    own_words,
    words,
)
from voicebot.core.audio import Samples

RATE_HZ = 16_000
LONGEST_S = 1.5
HUM_SHARE = 0.5
DOUBLE_SHARE = 0.2

Sound = npt.NDArray[np.floating[Any]]
Say = Callable[[str, np.random.Generator], Sound]


@dataclass(frozen=True, slots=True)
class Clip:
    kind: Kind
    said: str
    voice: str
    condition: str
    sound: Samples


@dataclass(frozen=True, slots=True)
class Source:
    """One synthesiser: what it can say, and a new speaker at every call of `speaker`."""

    name: str
    hums: tuple[HumSpelling, ...]
    words: tuple[str, ...]
    speaker: Callable[[np.random.Generator], tuple[str, Say]]


def espeak_source() -> Source:
    espeak = Espeak()

    def speaker(rng: np.random.Generator) -> tuple[str, Say]:
        voice, pitch = espeak.random_voice(rng), int(rng.integers(10, 90))

        def say(text: str, rng: np.random.Generator) -> Sound:
            speed, pitch_range = int(rng.integers(85, 210)), int(rng.integers(20, 90))
            return bent(espeak.say(text, voice, speed=speed, pitch=pitch, pitch_range=pitch_range), rng, 0.12)

        return voice.split("+")[1], say

    return Source("espeak", ESPEAK_HUMS, tuple(words()), speaker)


def hibari_source() -> Source:
    hibari = Hibari()

    def speaker(rng: np.random.Generator) -> tuple[str, Say]:
        pitch = float(np.exp(rng.uniform(np.log(0.5), np.log(1.4))))

        def say(text: str, rng: np.random.Generator) -> Sound:
            seed, speed = int(rng.integers(1 << 30)), float(rng.uniform(0.75, 1.5))
            if text in hums:
                sound = hibari.say_phonemes(text, seed, speed=speed, pitch=pitch)
            else:
                sound = hibari.say(text, seed, speed=speed, pitch=pitch)
            return bent(sound, rng)

        return "heart", say

    hums = {hum.spelling for hum in HIBARI_HUMS}
    return Source("hibari", HIBARI_HUMS, tuple(words()), speaker)


def own_source() -> Source:
    def speaker(rng: np.random.Generator) -> tuple[str, Say]:
        someone = random_speaker(rng)
        return "own", lambda spelling, rng: speak(phones_of(spelling), someone, random_melody(rng), rng)

    return Source("own", OWN_HUMS, tuple(own_words()), speaker)


def flite_source() -> Source:
    hums = {hum.spelling for hum in FLITE_HUMS}

    def speaker(rng: np.random.Generator) -> tuple[str, Say]:
        voice = FLITE_VOICES[int(rng.integers(len(FLITE_VOICES)))]

        def say(text: str, rng: np.random.Generator) -> Sound:
            return flite(text, voice, phones=text in hums, stretch=float(rng.uniform(0.8, 1.3)))

        return voice, say

    return Source("flite", FLITE_HUMS, tuple(words()), speaker)


SOURCES = {"espeak": espeak_source, "hibari": hibari_source, "own": own_source, "flite": flite_source}


def clips(
    source: Source, count: int, seed: int, condition: Callable[[np.random.Generator], Condition]
) -> Iterator[Clip]:
    rng = np.random.default_rng([seed, count])
    made = 0
    while made < count:
        voice, say = source.speaker(rng)
        if rng.random() < HUM_SHARE:
            kind = (Kind.UH_HUH, Kind.MM_HMM, Kind.HMM)[int(rng.integers(3))]
            spellings = [hum.spelling for hum in source.hums if hum.kind is kind]
            said = spellings[int(rng.integers(len(spellings)))]
            sound = trimmed(say(said, rng))
            if rng.random() < DOUBLE_SHARE:
                gap = np.zeros(int(rng.uniform(0.06, 0.25) * RATE_HZ))
                sound = np.concatenate([sound, gap, trimmed(say(said, rng)) * float(rng.uniform(0.6, 1.2))])
        else:
            kind = Kind.WORDS
            said = source.words[int(rng.integers(len(source.words)))]
            sound = trimmed(say(said, rng))
        if not 0.12 < len(sound) / RATE_HZ < LONGEST_S or float(np.abs(sound).max()) < 1e-3:
            continue
        under = condition(rng)
        made += 1
        yield Clip(kind, said, voice, under.name, recorded(sound, under, rng))
