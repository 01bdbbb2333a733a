"""Cases from the recordings in the folder `shared` beside the project: question pairs, and read sentences."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import soundfile

from tests.benchmarks.turns.case import Kind, Part, TurnCase
from tests.benchmarks.turns.pauses import Signal, Speech, Word, case_of, seed_of, times
from tests.support.shared import SHARED
from voicebot.audio.sound import SPEECH_RATE_HZ, Audio

AUDIO = SHARED / "audio"

PAIRS = {
    ("student", "first_year", "drive"): (("female_G", "male_J"), Part.DEVELOPMENT),
    ("experiment", "work"): (("female_H", "male_I"), Part.HELD_OUT),
}
"""The topics and speakers of each part. The other combinations are left out."""

READERS = {
    "librivox": Part.DEVELOPMENT,
    "one_two_three": Part.DEVELOPMENT,
    "jfk": Part.HELD_OUT,
    "cards": Part.HELD_OUT,
    "digits": Part.HELD_OUT,
}
CUTS = 4
"""How many word boundaries of a recording are opened at most."""
OWN_PAUSE_S = 0.2
"""The shortest silence between two words that is a pause of the speaker's own."""

SPANS_CS: dict[str, str] = {
    "jfk": "29-63 63-97 97-124 124-163 163-216 325-385 399-430 537-561 561-586 586-643 643-666 666-691 691-705 705-767 "
    "815-853 853-883 883-917 920-937 937-962 962-978 978-999 999-1046",
    "librivox_0870": "20-37 37-63 63-98 98-158 158-184 184-221 225-271 271-289 289-344 344-395 400-433 433-452 452-479 "
    "479-494 494-546 546-556 556-575 575-604 604-614 614-635 635-661 661-679",
    "librivox_0880": "21-33 33-56 56-106 113-130 130-148 148-211 211-233 233-274",
    "librivox_0890": "27-59 59-70 70-86 86-122 122-174 174-222 222-239 239-278 278-359 363-388 388-398 398-416 416-437 "
    "437-509",
    "librivox_0920": "22-44 44-54 54-98 98-103 103-141 141-146 146-201 201-249 249-271 271-300 300-319 319-336 336-369 "
    "369-407 407-425 425-500 500-513 513-521 521-583",
    "librivox_0930": "21-38 38-64 64-92 92-107 107-133 133-170 170-227 227-302",
    "cards_001": "0-34 34-45 45-96",
    "cards_002": "0-63 77-104 104-119 119-172",
    "cards_003": "6-57 57-70 70-127",
    "cards_004": "0-72 83-124",
    "cards_005": "19-42 42-53 53-114 125-154 154-164 164-222 222-263 263-274 274-326",
    "digits": "85-107 107-150 150-192 192-230 230-254 393-415 415-424 424-450 450-465 465-493 627-667 667-687 687-710 "
    "710-747 747-791",
    "one_two_three": "0-53 103-160 199-258",
}
"""The start and the end of each word in 1/100 s, as PocketSphinx 5's forced alignment finds them."""


def recorded_cases() -> Iterator[TurnCase]:
    """Yields nothing where the folder is absent."""
    if not (AUDIO / "manifest.json").exists():
        return
    entries = json.loads((AUDIO / "manifest.json").read_text("utf-8"))
    yield from _pairs([entry for entry in entries if entry["kind"] == "turn"])
    for entry in entries:
        if (name := entry["file"].removesuffix(".flac")) in SPANS_CS:
            yield from _cuts(name, entry["text"])


def _pairs(entries: list[dict[str, Any]]) -> Iterator[TurnCase]:
    lengths = {entry["topic"]: len(entry["text"].split()) for entry in entries if entry["size"] == "short"}
    for topics, (speakers, part) in PAIRS.items():
        for entry in entries:
            speaker = next((each for each in speakers if each in entry["file"]), None)
            if entry["topic"] not in topics or speaker is None:
                continue
            signal = read(entry["file"])
            words, starts_s = entry["text"].split(), list(entry["word_starts_s"])
            if len(starts_s) < len(words):  # of "a supermarket in addition", the manifest leaves out "in"
                addition = words.index("addition")
                starts_s.insert(addition - 1, starts_s[addition - 1] - 0.1)
            speech = Speech(
                f"wavenet {speaker}", entry["text"], signal, times(words, starts_s, len(signal) / SPEECH_RATE_HZ)
            )
            counts = {lengths[entry["topic"]], len(words)}
            for count in sorted(counts):
                yield case_of(speech, count, Kind.TURN_PAIR, part)


def _cuts(name: str, text: str) -> Iterator[TurnCase]:
    reader = next(each for each in READERS if name.startswith(each))
    spans = [tuple(int(each) / 100 for each in span.split("-")) for span in SPANS_CS[name].split()]
    words = tuple(Word(word, *span) for word, span in zip(text.split(), spans, strict=True))
    speech = Speech(reader, text, read(f"{name}.flac"), words)
    kind = Kind.DIGITS if reader in ("digits", "one_two_three") else Kind.CUT_RECORDING
    own = {count: words[count].start_s - words[count - 1].end_s for count in range(1, len(words))}
    for count, pause_s in own.items():
        if pause_s >= OWN_PAUSE_S:
            yield case_of(speech, count, kind, READERS[reader], pause_s)
    others = [count for count, pause_s in own.items() if pause_s < OWN_PAUSE_S and count > 1]
    for count in seed_of(name).permutation(others)[:CUTS]:
        yield case_of(speech, int(count), kind, READERS[reader])
    yield case_of(speech, len(words), kind, READERS[reader])


def read(file: str) -> Signal:
    """Returns the samples of a shared file at 16 kHz."""
    samples, rate_hz = soundfile.read(AUDIO / file, dtype="int16")
    return Audio(samples, rate_hz).resampled(SPEECH_RATE_HZ).samples / 32768
