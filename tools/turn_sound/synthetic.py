"""Sentences in synthetic voices, whole and broken off with a filled pause."""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np

from tests.benchmarks.turns.pauses import Signal, Speech, Word
from tests.benchmarks.turns.spoken import say
from tools.hums.synthesisers import Espeak, Hibari, flite
from voicebot.audio.sound import SPEECH_RATE_HZ

VOICES = ("flite rms", "flite kal16", "espeak en-us+m3", "espeak en-gb-scotland+f2", "espeak en-us+m7", "hibari")
"""None of the held-out part of the benchmark."""

SENTENCES = (
    "I would like to book a table for four people on Friday evening.",
    "Can you tell me what the weather will be like tomorrow?",
    "My order number is on the back of the letter, but I can't read it.",
    "What time does the next train leave for the city?",
    "I think we should wait until the rain stops, and then go home.",
    "Please turn off the lights in the kitchen before you leave.",
    "Could you send the invoice to my office instead of my house?",
    "I was walking down the street when I saw an old friend.",
    "How much does it cost to send a small box to Canada?",
    "If the store is closed, I will come back in the morning.",
    "The doctor said that I need to rest for at least a week.",
    "Where did you put the keys that I gave you yesterday?",
    "I'm not sure, but I think the meeting starts at ten.",
    "We need bread, milk, butter, and a dozen eggs.",
    "Is there a good restaurant near the station?",
    "She told me that her brother works for a big company in the north.",
    "I want to change my password because someone else knows it.",
    "Tell me a story about a dragon and a brave girl.",
    "Do you know who wrote the book about the white whale?",
    "After dinner, we went for a long walk along the river.",
    "It doesn't matter what they say about the new school.",
    "Remind me to call my mother at six o'clock.",
    "The first thing I do in the morning is drink a cup of coffee.",
    "Why is the sky blue during the day and red at night?",
    "Yes, I would love to see the pictures from your trip.",
    "I have lived in this town since I was a little child.",
    "Play some quiet music, something without a singer.",
    "When you get to the corner, turn left and look for a green door.",
    "They moved to a small house at the edge of the forest.",
    "Can I pay with a card, or do you only take cash?",
    "My sister is coming to visit us at the end of the month.",
    "That sounds good to me.",
    "I don't remember the name of the hotel, but it was near the beach.",
    "Set an alarm for seven in the morning, please.",
    "The car makes a strange noise whenever I turn to the right.",
    "What is the difference between a frog and a toad?",
    "I tried to open the file, but the computer would not let me.",
    "He asked for a window seat on the way back.",
    "There is nothing in the fridge except some old cheese.",
    "You can leave the package with the neighbor across the hall.",
)

BROKEN_OFF = (
    "I would like to book a, um",
    "Can you tell me what, um",
    "My order number is, uh",
    "I think we should, um",
    "Could you send the invoice to, uh",
    "I was walking down the street and, um",
    "If the store is, uh",
    "The doctor said that, um",
    "We need bread, milk, um",
    "I want to change my, uh",
    "Tell me a story about, um",
    "Yes, I would, uh",
    "When you get to the, um",
    "I don't remember the, uh",
    "He asked for, um",
    "What is the difference between, uh",
)
"""Said as one sentence, so that the melody is that of its end."""

_FILLED = {
    "flite": ("ah m", "ah", "m m"),
    "espeak": ("[[V:m:]]", "[[V:]]", "[[m:]]"),
    "hibari": ("ʌm.", "ʌː,", "mm,"),
}
SHORTEST_S, LONGEST_S = 0.15, 1.2


def whole_sentences() -> Iterator[Speech]:
    for voice in VOICES:
        for text in SENTENCES:
            yield say(voice, text)


def broken_off() -> Iterator[Speech]:
    """Yields speech that ends with "um" or "uh": said as one sentence, or a sound held at one pitch after a word."""
    for voice in VOICES:
        for text in BROKEN_OFF:
            yield say(voice, text)
    voices = _FilledPauses()
    for voice in VOICES:
        for text in SENTENCES:
            rng = random.Random(f"{voice} {text}")
            speech = say(voice, text)
            count = rng.randrange(2, len(speech.words) - 1)
            begun = speech.signal[: round(speech.words[count - 1].end_s * SPEECH_RATE_HZ)]
            filled = voices.say(voice, rng)
            if not SHORTEST_S < len(filled) / SPEECH_RATE_HZ < LONGEST_S:
                continue
            loudness = np.sqrt(np.mean(begun[np.abs(begun) > 0.02] ** 2)) * 10 ** (rng.uniform(-6, 1) / 20)
            filled *= loudness / np.sqrt(np.mean(filled**2))
            gap = np.zeros(round(rng.uniform(0, 0.12) * SPEECH_RATE_HZ))
            signal = np.concatenate([begun, gap, filled])
            um = Word("um", (len(begun) + len(gap)) / SPEECH_RATE_HZ, len(signal) / SPEECH_RATE_HZ)
            yield Speech(voice, f"{text} {count} um", signal, (*speech.words[:count], um))


class _FilledPauses:
    def __init__(self) -> None:
        self._espeak = Espeak()
        self._hibari = Hibari()

    def say(self, voice: str, rng: random.Random) -> Signal:
        """Returns a filled pause without silence around it."""
        engine, _, name = voice.partition(" ")
        phones = rng.choice(_FILLED[engine])
        if engine == "flite":
            sound = flite(phones, name, phones=True, stretch=rng.uniform(1.3, 2.6))
        elif engine == "espeak":
            manner = {"speed": rng.randrange(80, 120), "pitch": rng.randrange(30, 60)}
            sound = self._espeak.say(phones, name, pitch_range=rng.randrange(25), **manner)
        else:
            sound = self._hibari.say_phonemes(phones, rng.randrange(1 << 30), speed=rng.uniform(0.4, 0.7))
        heard = np.flatnonzero(np.abs(sound) > 0.03 * np.abs(sound).max())
        return np.array(sound[heard[0] : heard[-1] + 1], np.float64)
