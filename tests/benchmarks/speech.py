"""`make bench-speech` measures the quality and the cost of the embedded recogniser and the embedded voices.

The recogniser gets recorded speech (`shared/audio`, beside the project). The voices read sentences of the kind that a
bot says; the recogniser and DNSMOS, a measure of the naturalness of a voice, judge them.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.signal import butter, fftconvolve, sosfiltfilt

from tests.benchmarks.figures import p95
from tests.support.room import synthetic_response
from tests.support.shared import recording, recordings
from tests.support.understanding import word_errors, words
from voicebot.audio.sound import SPEECH_RATE_HZ, WIRE_RATE_HZ, Audio
from voicebot.engines.protocols import DEFAULT_STYLE, Pause, SpeechToText, TextToSpeech
from voicebot.engines.stt.moonshine import Moonshine
from voicebot.engines.tts.espeak import Espeak
from voicebot.engines.tts.hibari import Hibari

PIECE_S = 0.032
TIMED_S = (2.0, 4.0)
"""Utterances of this length show the delay, and are given to the recogniser at the pace of speech."""

SENTENCES = (
    "It is twenty past four in the afternoon.",
    "Two plus two makes four.",
    "Once upon a time there was a small gray cat who lived by the harbor.",
    "I can tell you the time, do a sum, or tell you a story.",
    "Why did the bicycle fall over? Because it was too tired.",
    "The train to the coast leaves in about ten minutes.",
    "I am sorry, I did not catch that.",
    "There are seven days left until the end of the month.",
    "Would you like me to go on?",
    "The museum is closed on Mondays, but open until eight on Thursdays.",
    "Every morning she walked along the water and counted the boats.",
    "You can stop me at any moment, just by speaking.",
    "A kilometer is a little more than half a mile.",
    "That is a good question, and the answer may surprise you.",
    "He opened the old wooden door and found a garden behind it.",
    "Please say that again a little more slowly.",
    "Boil the potatoes for twenty minutes, then add salt and butter.",
    "The answer is 144.",
    "Her brother plays the violin, and her sister sings.",
    "Right now it is raining in the north and sunny in the south.",
    "I was made to talk with people, and to listen when they interrupt.",
    "The first snow fell in November and stayed until spring.",
    "Turn left at the bridge and follow the river.",
    "Nobody knew where the music came from.",
    "Three friends shared one umbrella and still got wet.",
    "Good morning! What can I do for you?",
    "The library has more than two million books.",
    "Light takes eight minutes from the sun to the earth.",
    "Let me think about that for a moment.",
    "Thank you for calling, and have a nice evening.",
)

JUDGED_TOGETHER = 3
"""DNSMOS judges 9 s of audio and repeats shorter audio without a pause, so it gets this number of sentences at once."""

Condition = Callable[[Audio, int], Audio]
"""A condition under which the speech is heard. It may depend on the number of the recording."""


def clean(speech: Audio, _: int) -> Audio:
    return speech


def noisy(snr_db: float) -> Condition:
    """Adds recorded noise before, during and after the speech, this much below its level."""
    noises = [recording(entry["file"]).samples for entry in recordings("noise")]

    def heard(speech: Audio, number: int) -> Audio:
        values = np.pad(speech.samples.astype(np.float64), round(0.3 * SPEECH_RATE_HZ))
        noise = np.resize(noises[number % len(noises)].astype(np.float64), len(values))
        speech_power, noise_power = (np.mean(np.square(each)) for each in (speech.samples.astype(np.float64), noise))
        return _audio(values + noise * np.sqrt(speech_power / noise_power * 10 ** (-snr_db / 10)))

    return heard


def telephone(speech: Audio, _: int) -> Audio:
    band = butter(4, (300, 3_400), "bandpass", fs=SPEECH_RATE_HZ, output="sos")
    return _audio(sosfiltfilt(band, speech.samples.astype(np.float64)))


def in_room(speech: Audio, _: int) -> Audio:
    """Adds the echo of a furnished room, which fades by 60 dB in 0.3 s."""
    return _through(Audio((synthetic_response() * 32_767).astype(np.int16), WIRE_RATE_HZ), speech)


def in_large_room(speech: Audio, number: int) -> Audio:
    """Applies recorded rooms, some metres from the microphone."""
    rooms = [recording(entry["file"]) for entry in recordings("room-impulse-response")]
    return _through(rooms[number % len(rooms)], speech)


def _through(room: Audio, speech: Audio) -> Audio:
    """Applies a room, and keeps the level."""
    response = room.resampled(SPEECH_RATE_HZ).samples.astype(np.float64)
    values = fftconvolve(speech.samples.astype(np.float64), response)
    loudness = np.sqrt(np.sum(np.square(speech.samples.astype(np.float64))) / np.sum(np.square(values)))
    return _audio(values * loudness)


def _audio(values: npt.NDArray[np.float64]) -> Audio:
    return Audio(values.clip(-32_768, 32_767).astype(np.int16), SPEECH_RATE_HZ)


async def _pieces(speech: Audio, *, paced: bool = False, ended_s: list[float]) -> AsyncIterator[Audio | Pause]:
    """Yields an utterance as it comes. `ended_s` gets the time at which the last piece was given."""
    size, began_s = round(PIECE_S * speech.rate_hz), time.monotonic()
    for start in range(0, len(speech.samples), size):
        if paced:
            await asyncio.sleep(began_s + (start + size) / speech.rate_hz - time.monotonic())
        yield Audio(speech.samples[start : start + size], speech.rate_hz)
    ended_s.append(time.monotonic())


async def heard(engine: SpeechToText, speech: Audio, *, paced: bool = False) -> tuple[str, float]:
    """Returns the final text, and the seconds from the last sound to it."""
    text, ended_s = "", list[float]()
    async with engine.session(DEFAULT_STYLE) as session:
        pieces = _pieces(speech, paced=paced, ended_s=ended_s)
        async with aclosing(session.transcribe(pieces)) as transcripts:
            async for transcript in transcripts:
                text = getattr(transcript, "text", text)
    return text, time.monotonic() - ended_s[0]


def _row(*cells: object) -> None:
    sys.stdout.write(f"| {' | '.join(map(str, cells))} |\n")
    sys.stdout.flush()


def kind_of(entry: Mapping[str, Any]) -> str:
    """Returns the manifest's kind, with lists of cards and digits told apart from other read speech."""
    spells = entry["file"].startswith(("cards", "digits"))
    return "cards, digits" if spells else str(entry["kind"])


async def recognition(engine: SpeechToText) -> None:
    entries = [each for kind in ("turn", "speech", "short-reply") for each in recordings(kind) if each["text"]]
    speech = {entry["file"]: recording(entry["file"]) for entry in entries}
    conditions: dict[str, Condition] = {
        "clean": clean,
        "noise, 10 dB": noisy(10),
        "noise, 5 dB": noisy(5),
        "telephone": telephone,
        "room": in_room,
        "large rooms": in_large_room,
    }
    kinds = sorted({kind_of(entry) for entry in entries})
    _row("word errors, %", *kinds, "all", "CPU per s of speech")
    _row(*["---"] * (len(kinds) + 3))
    for name, condition in conditions.items():
        wrong, said = dict.fromkeys(kinds, 0), dict.fromkeys(kinds, 0)
        used_s, spoken_s = 0.0, 0.0
        for number, entry in enumerate(entries):
            sound = condition(speech[entry["file"]], number)
            before_s = time.process_time()
            text, _ = await heard(engine, sound)
            used_s, spoken_s = used_s + time.process_time() - before_s, spoken_s + sound.duration_s
            wrong[kind_of(entry)] += word_errors(entry["text"], text)
            said[kind_of(entry)] += len(words(entry["text"]))
        shares = [f"{100 * wrong[kind] / said[kind]:.1f}" for kind in kinds]
        _row(name, *shares, f"{100 * sum(wrong.values()) / sum(said.values()):.1f}", f"{used_s / spoken_s:.3f} s")
    timed = [sound for sound in speech.values() if TIMED_S[0] <= sound.duration_s <= TIMED_S[1]]
    before_s = time.process_time()
    delays_ms = [1_000 * (await heard(engine, sound, paced=True))[1] for sound in timed]
    used = (time.process_time() - before_s) / sum(sound.duration_s for sound in timed)
    sys.stdout.write(
        f"\nText after the end of {len(timed)} utterances of {TIMED_S[0]:g} to {TIMED_S[1]:g} s, spoken in real time:"
        f" median {median(delays_ms):.0f} ms, p95 {p95(delays_ms):.0f} ms; with interim texts {used:.2f} s of CPU"
        " per second of speech.\n\n"
    )


async def voice(engine: TextToSpeech, listener: SpeechToText) -> None:
    """Prints the row of a voice."""
    from speechmos import dnsmos

    first_ms, wrong, said, spoken_s, made_s = list[float](), 0, 0, 0.0, 0.0
    overall, quality = list[float](), list[float]()
    answer = list[Audio]()
    for sentence in SENTENCES:
        began_s = time.monotonic()
        pieces = list[Audio]()
        async with aclosing(engine.synthesize(sentence, DEFAULT_STYLE)) as sounds:
            async for sound in sounds:
                if isinstance(sound, Audio):
                    if not pieces:
                        first_ms.append(1_000 * (time.monotonic() - began_s))
                    pieces.append(sound)
        made_s += time.monotonic() - began_s
        speech = Audio.joined(pieces, pieces[0].rate_hz)
        spoken_s += speech.duration_s
        speech = speech.resampled(SPEECH_RATE_HZ)
        wrong += word_errors(sentence, (await heard(listener, speech))[0])
        said += len(words(sentence))
        answer.append(speech)
        if len(answer) == JUDGED_TOGETHER:
            judged = dnsmos.run(Audio.joined(answer, SPEECH_RATE_HZ).samples / 32_768, SPEECH_RATE_HZ)
            overall.append(judged["ovrl_mos"])
            quality.append(judged["p808_mos"])
            answer = []
    _row(
        engine.name,
        f"{made_s / spoken_s:.3f}",
        f"{median(first_ms):.0f} / {p95(first_ms):.0f} ms",
        f"{100 * wrong / said:.1f}",
        f"{np.mean(overall):.2f} / {np.mean(quality):.2f}",
    )


async def main() -> None:
    listener, voices = Moonshine(), (Hibari(), Espeak())
    for engine in (listener, *voices):
        await engine.start()
    try:
        await recognition(listener)
        _row("voice", "real-time factor", "first sound, median / p95", "words misheard, %", "DNSMOS overall / P.808")
        _row(*["---"] * 5)
        for engine in voices:
            await voice(engine, listener)
    finally:
        for engine in (listener, *voices):
            await engine.close()


if __name__ == "__main__":
    asyncio.run(main())
