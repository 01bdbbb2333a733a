"""Makes clips of hums and words. The same seed makes the same clips."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tools.hums.conditions import Condition, bent, recorded, trimmed
from tools.hums.listening import is_hum
from tools.hums.natural import Joe, Kokoro, Style
from tools.hums.own_voice import phones_of, random_melody, random_speaker, speak
from tools.hums.synthesisers import FLITE_VOICES, Espeak, Hibari, flite
from tools.hums.vocabulary import (
    ESPEAK_HUMS,
    FLITE_HUMS,
    HIBARI_HUMS,
    NATURAL_HUMS,
    OWN_HUMS,
    HumSpelling,
    Kind,
    own_words,
    words,
)
from voicebot.audio.sound import Samples

RATE_HZ = 16_000
LONGEST_S = 1.5
HUM_SHARE = 0.5
DOUBLE_SHARE = 0.2
MIXED_SHARE = 0.6
"""The share of the training's speakers that are mixtures of two voices of Kokoro."""
BENDING = 0.15

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
    """One synthesiser and what it can say. Each call of `speaker` returns a new speaker."""

    name: str
    hums: tuple[HumSpelling, ...]
    words: tuple[str, ...]
    speaker: Callable[[np.random.Generator], tuple[str, Say]]
    takes: int = 1
    """How many clips are made of each sound; each is recorded anew."""
    bending: float = 0.0
    """How much the pitch and pace of each take differ from the sound's; see `bent`."""
    checked: bool = False
    """True if hums that do not sound like hums are discarded."""


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


_ENDINGS = (".", "?", "!", ",", "…", "")
"""Punctuation changes the melody."""


def kokoro_source(kokoro: Kokoro, voices: Sequence[str], *, takes: int, training: bool) -> Source:
    """Returns a source with these voices. For the training it also mixes two voices and changes their pitch."""
    hums = {hum.spelling for hum in NATURAL_HUMS}

    def speaker(rng: np.random.Generator) -> tuple[str, Say]:
        first, second = (voices[int(place)] for place in rng.integers(len(voices), size=2))
        style = kokoro.styles[first]
        if training and rng.random() < MIXED_SHARE:
            style = _mixture(style, kokoro.styles[second], rng)
            first = f"{first}+{second}"

        def say(text: str, rng: np.random.Generator) -> Sound:
            phonemes = (text if text in hums else kokoro.phonemes(text)) + str(rng.choice(_ENDINGS))
            return kokoro.say_phonemes(phonemes, style, float(rng.uniform(0.75, 1.4)))

        return first, say

    bending = BENDING if training else 0.0
    return Source("kokoro", NATURAL_HUMS, tuple(words()), speaker, takes, bending, checked=True)


def _mixture(one: Style, other: Style, rng: np.random.Generator) -> Style:
    """Returns a mixture of two styles. One half of a style sets the sound of a voice, the other its melody and pace."""
    shares = np.repeat(rng.uniform(0.2, 0.8, 2), one.shape[1] // 2).astype(np.float32)
    return one * shares + other * (1 - shares)


def joe_source(joe: Joe) -> Source:
    hums = {hum.spelling for hum in NATURAL_HUMS}

    def say(text: str, rng: np.random.Generator) -> Sound:
        phonemes = (text if text in hums else joe.phonemes(text)) + str(rng.choice(_ENDINGS))
        return joe.say_phonemes(phonemes, float(rng.uniform(0.75, 1.4)))

    return Source("joe", NATURAL_HUMS, tuple(words()), lambda _: ("joe", say), checked=True)


SOURCES = {"espeak": espeak_source, "hibari": hibari_source, "own": own_source, "flite": flite_source}


def clips(
    source: Source, count: int, seed: int, condition: Callable[[np.random.Generator], Condition]
) -> Iterator[Clip]:
    """Yields clips. What is said depends on neither condition nor `count`: longer runs begin like shorter ones."""
    rng = np.random.default_rng(seed)
    recording = rng.spawn(1)[0]
    made = 0
    while made < count:
        kind, said, voice, sound = _said(source, rng)
        if not 0.12 < len(sound) / RATE_HZ < LONGEST_S or float(np.abs(sound).max()) < 1e-3:
            continue
        for _ in range(min(source.takes, count - made)):
            taken = bent(sound, recording, source.bending) if source.bending else sound
            under = condition(recording)
            made += 1
            yield Clip(kind, said, voice, under.name, recorded(taken, under, recording))


def _said(source: Source, rng: np.random.Generator) -> tuple[Kind, str, str, Sound]:
    """Returns a hum or a word of a new speaker; silence if the hum does not sound like one."""
    voice, say = source.speaker(rng)
    if rng.random() >= HUM_SHARE:
        said = source.words[int(rng.integers(len(source.words)))]
        return Kind.WORDS, said, voice, trimmed(say(said, rng))
    kind = (Kind.UH_HUH, Kind.MM_HMM, Kind.HMM)[int(rng.integers(3))]
    spellings = [hum.spelling for hum in source.hums if hum.kind is kind]
    said = spellings[int(rng.integers(len(spellings)))]
    hums = [trimmed(say(said, rng)) for _ in range(2 if rng.random() < DOUBLE_SHARE else 1)]
    if source.checked and not all(is_hum(hum) for hum in hums):
        return kind, said, voice, np.zeros(0)
    if len(hums) == 1:
        return kind, said, voice, hums[0]
    gap = np.zeros(int(rng.uniform(0.06, 0.25) * RATE_HZ))
    return kind, said, voice, np.concatenate([hums[0], gap, hums[1] * float(rng.uniform(0.6, 1.2))])
