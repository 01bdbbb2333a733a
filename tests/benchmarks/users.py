"""The clips of the scripted users: speech with the time of each word, coughs and noises."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import cycle
from typing import Any

import numpy as np

from tests.benchmarks.turns.pauses import open_after
from tests.benchmarks.turns.spoken import say
from tests.support.shared import SHARED, recording, recordings
from tests.support.speech import spoken
from voicebot.audio.sound import WIRE_RATE_HZ, Audio, Samples

SPEECH_DBFS = -40.0
"""A stretch of 10 ms louder than this counts as speech: 20 dB below the level of the voices, 30 above their silence."""

VOICES = ("rms", "slt", "kal16", "awb")

QUESTIONS = (
    "what time is it in tokyo",
    "what is ten times three",
    "tell me about the weather",
    "what day is it today",
    "what can you do for me",
    "how far is it to the moon",
)

BACKCHANNELS = ("uh huh", "yeah", "okay", "right", "i see", "mm hmm", "sure", "yeah okay", "oh really", "go on")

INTERRUPTIONS = (
    "wait what is ten times three",
    "hold on i have a question",
    "no i meant the other one",
    "can you say that again",
    "actually tell me about the weather",
    "what time is it in tokyo",
    "that is not what i asked",
    "please tell me a joke instead",
    "what do you mean by that",
    "let us talk about something else",
)

HESITATIONS = (
    ("i would like a coffee and", "a piece of cake please"),
    ("can you tell me the time because", "i have to catch a train"),
    ("i want to go to um", "the city of paris"),
    ("please book a table for two and", "a taxi to get there"),
    ("i did not come yesterday because", "i was feeling very ill"),
    ("what is the um", "name of that film"),
    ("my name is john and", "i live in london"),
    ("i am calling because", "my order has not arrived"),
    ("the number is five um", "three seven two"),
    ("turn on the light and", "close the window"),
)
"""Questions that are spoken with a pause of `HESITATION_S` in between."""

AMBIGUOUS = (
    "can you tell me the time | in new york please",
    "is there a good restaurant | near the station",
    "please turn on the lights | in the living room",
    "i would like a table | for two people tonight",
    "what is the weather like | in boston on sunday",
    "could you book a flight | to paris next week",
    "my brother lives in london | with his two children",
    "tell me something interesting | about the history of rome",
    "do i need an umbrella | when i go out tonight",
    "she wants to buy a car | that is not too expensive",
)
"""Sentences that could end at the bar, where the user pauses for `HESITATION_S`. Each is spoken as one sentence: only
its melody tells that more follows."""

AMBIGUOUS_VOICES = ("flite rms", "flite slt")

HESITATION_S = 0.6

WRONG_STARTS = (
    ("what time is it", "in tokyo"),
    ("tell me about the weather", "for tomorrow morning"),
    ("book a table", "for two people at eight"),
    ("how far is it", "to the moon"),
    ("turn on the light", "in the kitchen please"),
    ("what is ten times three", "plus five"),
    ("please call me", "when i get home"),
    ("what can you do", "with my photos"),
    ("play some music", "from the eighties"),
    ("set a timer", "for ten minutes"),
)
"""Questions that could be complete, and the words with which the user goes on after the bot has begun to answer."""


@dataclass(frozen=True, slots=True)
class Clip:
    """Audio at 48 kHz with the bounds of its speech and the end of each word, in seconds from the start."""

    name: str
    audio: Audio
    onset_s: float
    end_s: float
    words: tuple[tuple[str, float], ...]


def clip(name: str, audio: Audio, words: tuple[tuple[str, float], ...] | None = None) -> Clip:
    """Makes a clip. Without `words`, the words of the name share the audio in proportion to their letters."""
    audio = audio.resampled(WIRE_RATE_HZ)
    onset_s, end_s = extent(audio)
    if words is None:
        words = spread(name, onset_s, end_s)
    return Clip(name, audio, onset_s, end_s, words)


def extent(audio: Audio) -> tuple[float, float]:
    """Returns the begin of the first and the end of the last loud 10 ms."""
    size = audio.rate_hz // 100
    rows = audio.samples[: len(audio.samples) // size * size].reshape(-1, size).astype(np.float64)
    loud = np.flatnonzero(np.sqrt(np.mean(rows * rows, axis=1)) > 32_768 * 10 ** (SPEECH_DBFS / 20))
    return float(loud[0]) / 100, float(loud[-1] + 1) / 100


def spread(text: str, onset_s: float, end_s: float) -> tuple[tuple[str, float], ...]:
    words = text.split()
    letters = np.cumsum([len(word) + 1 for word in words])
    return tuple(
        (word, onset_s + (end_s - onset_s) * part) for word, part in zip(words, letters / letters[-1], strict=True)
    )


def questions(count: int) -> list[Clip]:
    return _spoken(QUESTIONS, count)


def interruptions(count: int) -> list[Clip]:
    return _spoken(INTERRUPTIONS, count)


def backchannels(count: int) -> list[Clip]:
    """Returns backchannels, of which three of five are words, the others a cough and a noise."""
    words, coughs, noises = iter(_spoken(BACKCHANNELS, count)), 0, 0
    clips: list[Clip] = []
    for index in range(count):
        match index % 5:
            case 2:
                clips.append(clip("cough", cough(coughs), ()))
                coughs += 1
            case 4:
                clips.append(clip("noise", noise(noises), ()))
                noises += 1
            case _:
                clips.append(next(words))
    return clips


def wrong_starts(count: int) -> list[tuple[Clip, Clip]]:
    """Returns questions and the words that go on with them, each pair in one voice."""
    firsts, rests = (_spoken(texts, count) for texts in zip(*WRONG_STARTS, strict=True))
    return list(zip(firsts, rests, strict=True))


def _spoken(texts: tuple[str, ...], count: int) -> list[Clip]:
    """Returns each text in turn, in another voice each time that it comes around."""
    pairs = [(text, VOICES[(index + turn) % len(VOICES)]) for turn in range(4) for index, text in enumerate(texts)]
    return [clip(text, spoken(text, voice)) for (text, voice), _ in zip(cycle(pairs), range(count))]


def hesitations(count: int) -> list[Clip]:
    clips = []
    for (first, second), _ in zip(cycle(HESITATIONS), range(count)):
        start, rest = clip(first, spoken(first)), clip(second, spoken(second))
        before = Audio(start.audio.samples[: round(start.end_s * WIRE_RATE_HZ)], WIRE_RATE_HZ)
        after = Audio(rest.audio.samples[round(rest.onset_s * WIRE_RATE_HZ) :], WIRE_RATE_HZ)
        joined = Audio.joined([before, Audio.silence(HESITATION_S, WIRE_RATE_HZ), after], WIRE_RATE_HZ)
        shift_s = start.end_s + HESITATION_S - rest.onset_s
        words = start.words + tuple((word, ends_s + shift_s) for word, ends_s in rest.words)
        clips.append(clip(f"{first} … {second}", joined, words))
    return clips


def ambiguous(count: int) -> list[Clip]:
    clips = []
    for number in range(count):
        text = AMBIGUOUS[number % len(AMBIGUOUS)]
        voice = AMBIGUOUS_VOICES[number // len(AMBIGUOUS) % len(AMBIGUOUS_VOICES)]
        words_before = len(text.partition("|")[0].split())
        opened = open_after(say(voice, text.replace("|", "")), words_before, f"{voice} {text}", HESITATION_S)
        clips.append(clip(text, opened.audio, opened.words))
    return clips


def long_turns(count: int) -> list[Clip] | None:
    """Returns recorded sentences that go on where a shorter one would have ended, or None if `shared` is absent."""
    if not (SHARED / "audio" / "manifest.json").exists():
        return None
    entries = [entry for entry in recordings("turn") if entry["size"] == "long"]
    step = max(1, len(entries) // max(count, 1))
    return [_recorded(entry) for entry in entries[::step][:count]]


def _recorded(entry: dict[str, Any]) -> Clip:
    audio = recording(entry["file"]).resampled(WIRE_RATE_HZ)
    _, end_s = extent(audio)
    words = entry["text"].split()
    ends_s = [*entry["word_starts_s"][1:], end_s]
    ends_s += [end_s] * (len(words) - len(ends_s))  # One file has one start fewer than words.
    return clip(entry["file"], audio, tuple(zip(words, ends_s, strict=True)))


def cough(seed: int) -> Audio:
    """Returns two bursts of noise around 1 kHz, 150 ms each, at -20 dBFS."""
    burst = _shaped(0.15, 400, 2_500, seed)
    gap = np.zeros(round(0.09 * WIRE_RATE_HZ), np.int16)
    return Audio(np.concatenate([burst, gap, burst // 2]), WIRE_RATE_HZ)


def noise(seed: int) -> Audio:
    """Returns 0.4 s below 600 Hz (a door, a chair), or 0.6 s above 2 kHz (a wheeze)."""
    low = seed % 2 == 0
    return Audio(_shaped(0.4, 60, 600, seed) if low else _shaped(0.6, 2_000, 7_000, seed), WIRE_RATE_HZ)


def _shaped(duration_s: float, low_hz: float, high_hz: float, seed: int) -> Samples:
    """Returns noise of a band that rises at once and dies away, with its loudest part at about -20 dBFS."""
    count = round(duration_s * WIRE_RATE_HZ)
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(count))
    hz = np.fft.rfftfreq(count, 1 / WIRE_RATE_HZ)
    wave = np.fft.irfft(spectrum * ((hz > low_hz) & (hz < high_hz)), count)
    envelope = np.minimum(np.arange(count) / 480, 1.0) * np.exp(-3.0 * np.arange(count) / count)
    return np.asarray(wave / np.sqrt(np.mean(wave * wave)) * 3_300 * envelope, dtype=np.int16)
