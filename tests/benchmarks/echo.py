"""`make bench-echo` measures a bot whose voice comes back from a loudspeaker into the microphone.

The first table covers conversations in which only the bot speaks: how often it interrupts itself, and how often it
pauses. The second shows what the recogniser understands of a user who speaks over the bot: four phrases at six places
of its story, with and without echo cancellation.

The rooms are simulated ones and, if the recordings are present, two real ones.
"""

from __future__ import annotations

import sys
from itertools import product
from unittest import mock

from tests.support.open_loudspeaker import Conversation, room, said_by
from tests.support.over_echo import said_over
from tests.support.shared import SHARED
from tests.support.speech import spoken
from tests.support.understanding import words
from voicebot.audio.echo import EchoDetector
from voicebot.audio.sound import WIRE_RATE_HZ
from voicebot.dialogue.interruption.verdict import Decision

RECORDED = ("rir1.flac", "rir2.flac") if SHARED.exists() else ()

VOICES = ("hibari", "awb", "kal", "rms", "slt")
ROOMS = (*RECORDED, "0.2 1", "0.3 2", "0.5 3", "0.8 4", "1.2 5")
LEVELS_DB = (-6, -10, -14, -20)
REPLIES = (
    (
        "Our shop opens at nine in the morning on weekdays.",
        "On Saturdays we are here from ten to four, and on Sundays we are closed.",
    ),
    ("No, you can not do that.", "Stop at the next corner, wait for the green light, and then walk on."),
    ("Hello!", "It is ten minutes past four.", "Is there anything else that I can do for you?"),
    ("The weather in Lisbon is mostly sunny today.", "You might want to bring a jacket for the evening."),
)

PHRASES = {"what is ten times three": "rms", "tell me a joke": "slt", "stop": "rms", "uh-huh": "slt"}
PLACES_S = (2.9, 3.5, 4.1, 5.5, 6.2, 6.9)
OVER_ROOMS = ("0.3 0", *RECORDED)
OVER_LEVELS_DB = (-6, -14, -20, -120)


def alone(level_db: float) -> tuple[int, int, int]:
    """Returns the number of conversations, of those in which the bot interrupted itself, and of pauses.

    A conversation has two replies. The replies and the network delay vary from one to the next.
    """
    interrupted = pauses = count = 0
    for name, voice in product(ROOMS, VOICES):
        replies = [said_by(voice, REPLIES[(count + number) % len(REPLIES)]) for number in range(2)]
        talk = Conversation(*replies, response=room(name), level_db=level_db, jitter_frames=1 + count % 6, seed=count)
        count += 1
        for _ in replies:
            talk.type("go on")
            talk.until_idle()
        interrupted += any(record.verdict.decision is Decision.REGENERATE for record in talk.state.verdicts)
        pauses += talk.pauses
    return count, interrupted, pauses


def understood(level_db: float) -> tuple[int, int]:
    """Returns the number of utterances understood word for word, and that of all."""
    right = [
        words(said_over(spoken(phrase, voice).resampled(WIRE_RATE_HZ).samples, at_s, room(name), level_db))
        == words(phrase)
        for name in OVER_ROOMS
        for phrase, voice in PHRASES.items()
        for at_s in PLACES_S
    ]
    return sum(right), len(right)


def main() -> None:
    sys.stdout.write("| echo, dB below what is played | interrupts itself | pauses | conversations |\n")
    sys.stdout.write("|---|---|---|---|\n")
    for level_db in LEVELS_DB:
        count, interrupted, pauses = alone(level_db)
        sys.stdout.write(f"| {level_db} | {interrupted} | {pauses} | {count} |\n")
        sys.stdout.flush()
    sys.stdout.write("\n| echo, dB below what is played | understood as heard | with the echo cancelled | of |\n")
    sys.stdout.write("|---|---|---|---|\n")
    for level_db in OVER_LEVELS_DB:
        with mock.patch.object(EchoDetector, "start_cancelling"):
            before, _ = understood(level_db)
        after, count = understood(level_db)
        sys.stdout.write(f"| {level_db} | {before} | {after} | {count} |\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
