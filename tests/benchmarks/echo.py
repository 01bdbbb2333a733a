"""`make bench-echo`: what the recogniser understands of a user who speaks over the bot's voice, which comes back.

Four phrases at six places of the bot's story, in one computed room and, where there are recordings, in two real ones;
with the sound as it is heard and with what is known of the echo taken off.
"""

from __future__ import annotations

import sys
from unittest import mock

import numpy as np

from tests.support.over_echo import said_over
from tests.support.room import synthetic_response
from tests.support.shared import SHARED, recording
from tests.support.speech import spoken
from tests.support.understanding import words
from voicebot.core.audio import WIRE_RATE_HZ
from voicebot.echo import EchoDetector

PHRASES = {"what is ten times three": "rms", "tell me a joke": "slt", "stop": "rms", "uh-huh": "slt"}
PLACES_S = (2.9, 3.5, 4.1, 5.5, 6.2, 6.9)
LEVELS_DB = (-6, -14, -20, -120)
RESPONSES = ("rir1.flac", "rir2.flac")


def understood(level_db: float) -> tuple[int, int]:
    """How many utterances to the word, of how many."""
    rooms = [synthetic_response()]
    if SHARED.exists():
        rooms += [recording(name).resampled(WIRE_RATE_HZ).samples.astype(np.float32) for name in RESPONSES]
    right = [
        words(said_over(spoken(phrase, voice).resampled(WIRE_RATE_HZ).samples, at_s, room, level_db)) == words(phrase)
        for room in rooms
        for phrase, voice in PHRASES.items()
        for at_s in PLACES_S
    ]
    return sum(right), len(right)


def main() -> None:
    sys.stdout.write("| echo, dB below what is played | understood as heard | with the echo taken off | of |\n")
    sys.stdout.write("|---|---|---|---|\n")
    for level_db in LEVELS_DB:
        with mock.patch.object(EchoDetector, "hold"):
            before, _ = understood(level_db)
        after, count = understood(level_db)
        sys.stdout.write(f"| {level_db} | {before} | {after} | {count} |\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
