"""Cases in synthetic voices: flite, espeak-ng and hibari, with the times at which these voices begin their words."""

from __future__ import annotations

import asyncio
import hashlib
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import soundfile

from tests.benchmarks.turns.case import Kind, Part, TurnCase
from tests.benchmarks.turns.pauses import Signal, Speech, case_of, seed_of, times
from tests.benchmarks.turns.sentences import Sentence, sentences
from voicebot.audio.sound import SPEECH_RATE_HZ, Audio
from voicebot.engines.protocols import WordStarts
from voicebot.engines.tts.espeak import word_starts
from voicebot.engines.tts.espeak_worker import EspeakSynthesizer
from voicebot.engines.tts.hibari import Hibari
from voicebot.engines.worker.messages import Value

VOICES = {
    Part.DEVELOPMENT: ("flite rms", "espeak en-us+m3", "flite kal16", "hibari", "espeak en-gb-scotland+f2"),
    Part.HELD_OUT: ("flite slt", "espeak en-gb-x-rp+m1", "flite awb", "espeak en-us-nyc+f4"),
}
"""The voices of each part. hibari has one voice only, so the held-out part has none of that engine."""

SPEAKERS = {Kind.CUT_SPEECH: 2, Kind.HESITATION: 2, Kind.QUESTION: 2, Kind.ANSWER: 1, Kind.DIGITS: 2}
"""How many voices say each sentence."""

CACHE = Path(tempfile.gettempdir()) / "voicebot-turns" / "speech"
"""Speech that was synthesised before."""

_PHONES = re.compile(r"(\S+):([\d.]+)")

Timed = tuple[Signal, tuple[float, ...], float]
"""The sound at 16 kHz, where each word begins, and where the last one ends, in seconds."""


def spoken_cases() -> Iterator[TurnCase]:
    """Yields one pause at a bar and the end of each sentence, for each of its voices.

    Further voices pause at other bars; of a cut sentence, every second voice pauses at any word. Where flite is not
    installed, its voices are left out.
    """
    numbers = dict.fromkeys(Part, 0)
    for sentence in sentences():
        voices = [voice for voice in VOICES[sentence.part] if not voice.startswith("flite") or shutil.which("flite")]
        for turn in range(SPEAKERS[sentence.kind]):
            number = numbers[sentence.part]
            numbers[sentence.part] += 1
            speech = say(voices[number % len(voices)], sentence.text)
            for count in _places(sentence, speech, turn):
                yield case_of(speech, count, sentence.kind, sentence.part, asked=sentence.asked)


def _places(sentence: Sentence, speech: Speech, turn: int) -> list[int]:
    """Returns the numbers of words after which this voice falls silent."""
    size = len(speech.words)
    if sentence.kind is Kind.DIGITS:
        return [*sentence.bars, size]
    if sentence.kind is Kind.CUT_SPEECH and turn == 1:
        return [int(seed_of(f"{speech.speaker} {speech.text}").integers(2, size)), size]
    return [*sentence.bars[turn % max(1, len(sentence.bars)) :][:1], size]


def say(voice: str, text: str) -> Speech:
    """Returns the text as said by a voice of `VOICES`."""
    file = CACHE / f"{hashlib.sha256(f'{voice} {text}'.encode()).hexdigest()[:24]}.npz"
    if file.exists():
        kept = np.load(file)
        signal, starts_s, end_s = kept["signal"].astype(np.float64), kept["starts_s"].tolist(), float(kept["end_s"])
    else:
        engine, _, name = voice.partition(" ")
        signal, starts_s, end_s = {"flite": _flite, "espeak": _espeak, "hibari": _hibari}[engine](text, name)
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=CACHE, suffix=".npz", delete=False) as new:
            np.savez(new, signal=signal.astype(np.float32), starts_s=starts_s, end_s=end_s)
        Path(new.name).replace(file)
    return Speech(voice, text, signal, times(text.split(), starts_s, end_s))


def _at_16_khz(samples: np.ndarray[tuple[int], np.dtype[np.int16]], rate_hz: int) -> Signal:
    return Audio(samples, rate_hz).resampled(SPEECH_RATE_HZ).samples / 32768


# flite ----------------------------------------------------------------------------------------------------------------


def _flite(text: str, voice: str) -> Timed:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "speech.wav"
        phones = _phones(text, voice, str(file))
        samples, rate_hz = soundfile.read(file, dtype="int16")
    starts, place = [], 0
    voiced = [(start_s, end_s) for name, start_s, end_s in phones if name != "pau"]
    for count in _phone_counts(text, len(voiced)):
        starts.append(voiced[place][0])
        place += count
    return _at_16_khz(samples, rate_hz), tuple(starts), voiced[-1][1]


def _phones(text: str, voice: str, file: str = "none") -> list[tuple[str, float, float]]:
    """Returns each phone with its start and its end, in seconds."""
    command = ["flite", "-voice", voice, "-t", text, "-psdur", "-o", file]
    found = _PHONES.findall(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    ends = [float(end) for _, end in found]
    return [(name, start, end) for (name, _), start, end in zip(found, [0.0, *ends], ends, strict=False)]


def _phone_counts(text: str, total: int) -> list[int]:
    """Returns how many phones each word has. All voices share their dictionary."""
    words = text.split()
    counts = [_phone_count(word.strip(".,?!").lower()) for word in words]
    if sum(counts) == total:
        return counts
    # A word may sound different among others: "A" as a letter, "says" before a vowel.
    lengths = [_phone_count(" ".join(words[:count])) for count in range(1, len(words))]
    return [end - start for start, end in zip([0, *lengths], [*lengths, total], strict=True)]


@cache
def _phone_count(text: str) -> int:
    return sum(name != "pau" for name, _, _ in _phones(text, "kal16"))


# espeak-ng ------------------------------------------------------------------------------------------------------------


class _Receiver:
    """Collects what the synthesizer sends."""

    def __init__(self) -> None:
        self.sound = b""
        self.marks: list[tuple[int, float]] = []

    def send(self, fields: dict[str, Value], body: bytes = b"") -> None:
        if "marks" in fields:
            pairs = np.frombuffer(body, np.int32).reshape(-1, 2)
            self.marks = [(int(place), int(ms) / 1000) for place, ms in pairs]
        else:
            self.sound += body


@cache
def _synthesizer() -> EspeakSynthesizer:
    return EspeakSynthesizer("en-us", 165, 50, 50)


def _espeak(text: str, voice: str) -> Timed:
    receiver = _Receiver()
    _synthesizer().speak(text, voice, receiver)
    audio = Audio.from_bytes(receiver.sound, _synthesizer().rate_hz)
    starts = word_starts(text, receiver.marks, audio.duration_s)
    assert starts is not None, f"espeak-ng marks other words than those of {text!r}"
    return _at_16_khz(audio.samples, audio.rate_hz), starts.starts_s, audio.duration_s


# hibari ---------------------------------------------------------------------------------------------------------------


def _hibari(text: str, _name: str) -> Timed:
    return asyncio.run(_say_with_hibari(text))


async def _say_with_hibari(text: str) -> Timed:
    engine = Hibari()
    await engine.start()
    try:
        pieces = [piece async for piece in engine.synthesize(text)]
    finally:
        await engine.close()
    sound = [piece for piece in pieces if isinstance(piece, Audio)]
    audio = Audio.joined(sound, sound[0].rate_hz)
    (starts,) = (piece for piece in pieces if isinstance(piece, WordStarts))
    return _at_16_khz(audio.samples, audio.rate_hz), starts.starts_s, audio.duration_s
