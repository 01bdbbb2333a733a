"""Opens speech at the end of a word: a pause with room tone is inserted, or the speech ends there.

A cut must not show whether the turn is over. So both get the same treatment: the voice is cut at a quiet place near the
end of the word, faded over `FADE_S`, and followed by the room tone that lies under the whole audio. Pauses of the
speaker before the place are shortened to `EARLIER_PAUSE_S`, so that the bot decides about one pause in each case.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tests.benchmarks.turns.case import Kind, Part, TurnCase
from voicebot.audio.sound import SPEECH_RATE_HZ, Audio

Signal = npt.NDArray[np.float64]
"""Samples at 16 kHz; full scale is 1."""

FADE_S = 0.05
"""A voice that breaks off in the middle of a word is not silent at once either."""
SHORTEST_S, LONGEST_S = 0.2, 1.2
"""The pauses of a user who goes on. Their logarithm is evenly distributed, as short pauses are more frequent."""
TRAILING_S = 3.5
"""The silence after a turn that is over, longer than any endpointing delay."""
EARLIER_PAUSE_S = 0.12
AFTER_S = 1.0
"""The silence after the rest of a sentence that goes on."""
LEAD_S = 0.3
SPEECH_DBFS = -26.0
"""The level of the speech, root mean square where somebody speaks."""
ROOM_DBFS = (-70.0, -56.0)
"""The range of the room tone's level."""
END_DB = 12.0
"""The voice ends where the sound has become this much fainter than the speech: about as faint as where words are cut,
so that a voice that dies away at the end of a sentence is not told from a cut by its last milliseconds."""
AFTER_LAST_WORD_S = 0.1
"""The voice ends no later than this after the end of the last word: what comes then is noise of the recording."""
SPOKEN_DB = 30.0
"""Nobody speaks where the sound is this much fainter than the loudest sound."""
SEARCH_S = (0.05, 0.06)
"""How far before and after the end of a word a quiet place to cut is looked for."""
FRAME = round(0.005 * SPEECH_RATE_HZ)


@dataclass(frozen=True, slots=True)
class Word:
    """A word and where its sound begins and ends, in seconds."""

    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True, eq=False)
class Speech:
    """A sentence, as somebody said it."""

    speaker: str
    text: str
    signal: Signal
    words: tuple[Word, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """Speech with a pause. `words` have the time of their end."""

    audio: Audio
    words: tuple[tuple[str, float], ...]
    pause_at_s: float
    pause_s: float
    goes_on_at_s: float | None
    """Where the voice goes on; None if it does not."""


def seed_of(name: str) -> np.random.Generator:
    """Returns a generator that depends on the name only, so that each run makes the same cases."""
    return np.random.default_rng(zlib.crc32(name.encode()))


def random_pause_s(name: str) -> float:
    """Returns the length of a pause in which the user does not speak but will go on."""
    low, high = np.log(SHORTEST_S), np.log(LONGEST_S)
    return float(np.exp(seed_of(f"{name} pause").uniform(low, high)))


def room_tone(before: int, after: int, room: str) -> Signal:
    """Returns soft noise that is duller than white noise, as in a quiet room: samples before and after a pause begins.

    `room` decides the noise. All cases of a speaker are in one room, and all their pauses have the same noise.
    """
    rng = seed_of(f"{room} room")
    dullness, level_dbfs = rng.uniform(0.3, 0.9), rng.uniform(*ROOM_DBFS)
    after_pause = rng.standard_normal(after)
    white = np.concatenate([rng.standard_normal(before + 1), after_pause])
    deviation = (1 + dullness**2) ** 0.5
    return np.asarray((white[1:] + dullness * white[:-1]) / deviation * 10 ** (level_dbfs / 20))


def open_after(speech: Speech, count: int, name: str, pause_s: float | None = None) -> Opened:
    """Returns the speech with a pause after `count` words, or ended there if these are all.

    `name` decides the silence before and, without `pause_s`, the length of the pause.
    """
    rng = seed_of(name)
    over = count >= len(speech.words)
    speech = _levelled(_with_short_pauses(speech, count))
    cut = _end_of_voice(speech) if over else _place_to_cut(speech, count)
    head = _faded(speech.signal[:cut], ends=True)
    if over:
        pause_s = TRAILING_S if pause_s is None else pause_s
        rest, after_s = np.zeros(0), 0.0
    else:
        pause_s = random_pause_s(name) if pause_s is None else pause_s
        rest, after_s = _faded(speech.signal[_start_of_rest(speech, count, cut) :], ends=False), AFTER_S
    lead = np.zeros(round((LEAD_S + rng.uniform(0, 0.2)) * SPEECH_RATE_HZ))
    pause = np.zeros(round(pause_s * SPEECH_RATE_HZ))
    signal = np.concatenate([lead, head, pause, rest, np.zeros(round(after_s * SPEECH_RATE_HZ))])
    pause_at = len(lead) + cut
    signal = signal + room_tone(pause_at, len(signal) - pause_at, speech.speaker)
    goes_on_at = pause_at + len(pause)
    begin = len(speech.signal) - len(rest)
    words = [(word.text, min(len(lead) + word.end_s * SPEECH_RATE_HZ, pause_at)) for word in speech.words[:count]]
    words += [(word.text, goes_on_at + word.end_s * SPEECH_RATE_HZ - begin) for word in speech.words[count:]]
    return Opened(
        Audio((signal * 32767).clip(-32768, 32767).astype(np.int16), SPEECH_RATE_HZ),
        tuple((text, float(end) / SPEECH_RATE_HZ) for text, end in words),
        pause_at / SPEECH_RATE_HZ,
        len(pause) / SPEECH_RATE_HZ,
        None if over else goes_on_at / SPEECH_RATE_HZ,
    )


def _levels_db(signal: Signal) -> Signal:
    """Returns the level of each 5 ms, smoothed over 15."""
    frames = signal[: len(signal) // FRAME * FRAME].reshape(-1, FRAME)
    powers = np.mean(frames**2, axis=1)
    smooth = np.convolve(np.pad(powers, 1, mode="edge"), np.ones(3) / 3, mode="valid")
    return np.asarray(10 * np.log10(smooth + 1e-12))


def _speech_level_db(signal: Signal) -> float:
    """Returns the level of the frames in which somebody speaks."""
    levels = _levels_db(signal)
    spoken = levels[levels > np.max(levels) - SPOKEN_DB]
    return float(10 * np.log10(np.mean(10 ** (spoken / 10))))


def _faint_db(signal: Signal) -> float:
    """Returns the level of sound below which the recording holds no speech."""
    return _speech_level_db(signal) - END_DB


def _levelled(speech: Speech) -> Speech:
    gain = 10 ** ((SPEECH_DBFS - _speech_level_db(speech.signal)) / 20)
    return Speech(speech.speaker, speech.text, speech.signal * gain, speech.words)


def _end_of_voice(speech: Speech) -> int:
    """Returns the sample at which the last word has died away."""
    loud = np.flatnonzero(_levels_db(speech.signal) > _faint_db(speech.signal))
    latest = round((speech.words[-1].end_s + AFTER_LAST_WORD_S) * SPEECH_RATE_HZ)
    return min(len(speech.signal), int(loud[-1] + 1) * FRAME, latest)


def _place_to_cut(speech: Speech, count: int) -> int:
    """Returns the quietest sample near the end of the word, or where the voice has died away before a silence."""
    levels = _levels_db(speech.signal)
    before, word, after = SEARCH_S[0] * 200, speech.words[count - 1].end_s * 200, SEARCH_S[1] * 200
    next_start = speech.words[count].start_s * 200
    first, last = round(word - before), round(max(word, min(next_start, word + after)) + after / 2)
    span = levels[first : max(last, first + 1)]
    place = first + int(np.argmin(span))
    faint = _faint_db(speech.signal)
    while place > first and levels[place - 1] < faint:  # the silence before the next word belongs to the pause
        place -= 1
    return min(place * FRAME + FRAME // 2, len(speech.signal))


def _start_of_rest(speech: Speech, count: int, cut: int) -> int:
    """Returns the sample with which the rest begins: the next word, without the silence before it."""
    levels = _levels_db(speech.signal)
    faint = _faint_db(speech.signal)
    place = cut // FRAME
    while place < len(levels) - 1 and levels[place] < faint:
        place += 1
    return max(cut, (place - 4) * FRAME)


def _with_short_pauses(speech: Speech, count: int) -> Speech:
    """Returns the speech without the middle of the speaker's own pauses between the first `count` words."""
    levels = _levels_db(speech.signal)
    quiet = levels < _faint_db(speech.signal)
    kept = np.ones(len(speech.signal), bool)
    most = round(EARLIER_PAUSE_S * 200)
    first, last = round(speech.words[0].start_s * 200), round(speech.words[count - 1].start_s * 200)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], quiet.astype(int), [0]])))
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        if end - start > most and start > first and end <= last + 10:
            kept[(start + most // 2) * FRAME : (end - most // 2) * FRAME] = False
    at = np.concatenate([[0], np.cumsum(kept)])

    def moved(time_s: float) -> float:
        return float(at[min(len(at) - 1, max(0, round(time_s * SPEECH_RATE_HZ)))]) / SPEECH_RATE_HZ

    words = tuple(Word(word.text, moved(word.start_s), moved(word.end_s)) for word in speech.words)
    return Speech(speech.speaker, speech.text, speech.signal[kept], words)


def _faded(signal: Signal, *, ends: bool) -> Signal:
    """Returns the signal with a fade at its end or its start."""
    length = min(len(signal), round(FADE_S * SPEECH_RATE_HZ))
    ramp = 0.5 + 0.5 * np.cos(np.pi * (np.arange(length) + 0.5) / length)
    gains = np.ones(len(signal))
    if ends:
        gains[len(signal) - length :] = ramp
    else:
        gains[:length] = ramp[::-1]
    return np.asarray(signal * gains)


def times(words: Sequence[str], starts_s: Sequence[float], end_s: float) -> tuple[Word, ...]:
    """Returns the words, each of which ends where the next one begins, and the last one at `end_s`."""
    ends = [*starts_s[1:], end_s]
    return tuple(Word(text, start, end) for text, start, end in zip(words, starts_s, ends, strict=True))


def case_of(
    speech: Speech,
    count: int,
    kind: Kind,
    part: Part,
    pause_s: float | None = None,
    *,
    asked: str = "",
) -> TurnCase:
    """Returns the English case of a pause after `count` words of the speech; if these are all, the turn is over there.

    The case's words are in lower case and without punctuation, as streaming recognisers write them: a question mark
    would give the answer away.
    """
    words = [word.text.strip(".,;:?!").lower() for word in speech.words]
    over = count == len(words)
    said = " ".join(words[:count]) + ("" if over else f" | {' '.join(words[count:])}")
    name = f"{kind}: {speech.speaker}: {asked + ' ' if asked else ''}{said}"
    opened = open_after(speech, count, name, pause_s)
    return TurnCase(
        name=name,
        kind=kind,
        language="en",
        part=part,
        speaker=speech.speaker,
        sentence=speech.text,
        audio=opened.audio,
        words=tuple((word, end_s) for word, (_, end_s) in zip(words, opened.words, strict=True)),
        asked=asked,
        pause_at_s=opened.pause_at_s,
        over=over,
        pause_s=opened.pause_s,
    )
