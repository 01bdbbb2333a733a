"""Recordings of real speakers from a folder, for the development part: English telephone prompts.

Debian has such prompts, among others in the package asterisk-core-sounds-en-wav. They are not part of this project:

    apt-get download asterisk-core-sounds-en-wav && dpkg -x asterisk-core-sounds-en-wav_*.deb prompts
    python -m tests.benchmarks.turns.prompts prompts     (needs the package pocketsphinx as well)
    python -m tests.benchmarks.turns --recordings prompts

The second command finds the words with the embedded recogniser and their times with PocketSphinx, and writes them to
`words.json` in the folder.
"""

from __future__ import annotations

import importlib
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from tests.benchmarks.turns.case import Kind, Part, TurnCase
from tests.benchmarks.turns.pauses import Signal, Speech, Word, case_of, seed_of
from tests.benchmarks.turns.recorded import OWN_PAUSE_S
from voicebot.audio.sound import SPEECH_RATE_HZ, Audio
from voicebot.engines.stt.moonshine.model import Model

WORDS = "words.json"
LEAST_WORDS = 4
SHORTEST_S, LONGEST_S = 1.0, 12.0
FRAGMENTS = frozenset({"to", "was", "as", "than", "is", "exactly", "press", "n"})
"""A recording whose last word is one of these is a part of a sentence, and its end is no end of a turn."""
MARGIN_S = 0.3
"""Silence before and after a recording, which the recogniser needs."""


def prompt_cases(folder: Path) -> Iterator[TurnCase]:
    """Yields pauses of the speaker's own, one more at any word, and the end of each recording.

    Raises FileNotFoundError if the folder has no `words.json` yet.
    """
    for file, words in sorted(json.loads((folder / WORDS).read_text("utf-8")).items()):
        spans = tuple(Word(*word) for word in words)
        text = " ".join(word.text for word in spans)
        speech = Speech(Path(file).parent.name, text, _signal(folder / file), spans)
        counts = range(1, len(spans))
        own = [count for count in counts if spans[count].start_s - spans[count - 1].end_s >= OWN_PAUSE_S]
        others = [count for count in counts[1:] if count not in own]
        for count in own:
            pause_s = spans[count].start_s - spans[count - 1].end_s
            yield _named(case_of(speech, count, Kind.PROMPT, Part.DEVELOPMENT, pause_s), file)
        for count in [int(seed_of(file).choice(others))] if others else []:
            yield _named(case_of(speech, count, Kind.PROMPT, Part.DEVELOPMENT), file)
        if spans[-1].text not in FRAGMENTS:
            yield _named(case_of(speech, len(spans), Kind.PROMPT, Part.DEVELOPMENT), file)


def _named(case: TurnCase, file: str) -> TurnCase:
    return replace(case, name=f"{case.name} ({file})")


def _signal(file: Path) -> Signal:
    samples, rate_hz = soundfile.read(file, dtype="int16")
    return Audio(samples, rate_hz).resampled(SPEECH_RATE_HZ).samples / 32768


def find_words(folder: Path) -> None:
    """Writes the words of each recording with their starts and ends, in seconds, to `words.json`.

    Leaves out recordings with few words, and those with words that PocketSphinx does not know.
    """
    sphinx = importlib.import_module("pocketsphinx")
    model = Model.load()
    found: dict[str, list[tuple[str, float, float]]] = {}
    for file in sorted(folder.rglob("*.wav")):
        samples = (_signal(file) * 32767).astype(np.int16)
        if not SHORTEST_S <= len(samples) / SPEECH_RATE_HZ <= LONGEST_S:
            continue
        margin = np.zeros(round(MARGIN_S * SPEECH_RATE_HZ), np.int16)
        text = model.decode(model.encode(np.concatenate([margin, samples, margin]))).text
        words = re.findall(r"[a-z']+", text.lower())
        if len(words) >= LEAST_WORDS and not re.search(r"\d", text) and (aligned := _aligned(sphinx, samples, words)):
            found[str(file.relative_to(folder))] = aligned
    (folder / WORDS).write_text(json.dumps(found, indent=0))


def _aligned(
    sphinx: Any, samples: np.ndarray[tuple[int], np.dtype[np.int16]], words: list[str]
) -> list[tuple[str, float, float]]:
    decoder = sphinx.Decoder(samprate=SPEECH_RATE_HZ, bestpath=False, loglevel="FATAL")
    if any(decoder.lookup_word(word) is None for word in words):
        return []
    decoder.set_align_text(" ".join(words))
    decoder.start_utt()
    decoder.process_raw(samples.tobytes(), full_utt=True)
    decoder.end_utt()
    spans = [(each.start_frame / 100, (each.end_frame + 1) / 100) for each in decoder.seg() if each.word[0] != "<"]
    return [(word, *span) for word, span in zip(words, spans, strict=True)] if len(spans) == len(words) else []


if __name__ == "__main__":
    find_words(Path(sys.argv[1]))
