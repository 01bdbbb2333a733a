"""Real speakers: the actors of "Flight of the Amazon Queen" and the American voice of Asterisk."""

from __future__ import annotations

import io
import json
import random
import re
import struct
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr

from tests.benchmarks.turns.pauses import Signal, Speech, Word
from voicebot.audio.sound import SPEECH_RATE_HZ
from voicebot.engines.stt.moonshine.model import Model

ACTORS = Path("usr/share/scummvm/flight-of-the-amazon-queen/queen.1c")
PROMPTS = Path("usr/share/asterisk/sounds/en_US_f_Allison")
LEAST_S, MOST_S = 1.3, 9.0
SENTENCES = {"joe": 150}
"""How many sentences of a speaker are used at most."""
SENTENCES_OF_OTHERS = 24
LEAST_CONFIDENCE = 0.55
"""A less certain transcript is probably wrong, and its words cannot be found in the sound."""
LOUDEST = 0.7


@dataclass(frozen=True, slots=True)
class Aligned:
    """A recording, and when each of its words is said."""

    name: str
    speaker: str
    words: tuple[tuple[str, float, float], ...]


class Recordings:
    """The recordings in the folder into which the packages were unpacked."""

    def __init__(self, folder: Path) -> None:
        self._archive = folder / ACTORS
        self._places = dict(_directory(self._archive))
        self._prompts = {path.stem: path for path in sorted((folder / PROMPTS).glob("*.wav"))}

    def speakers(self) -> dict[str, list[str]]:
        """Returns the names of the recordings of each speaker, in a random order that is always the same."""
        found: dict[str, list[str]] = defaultdict(list)
        for name in sorted(self._places):
            if (speaker := _actor(name)) and LEAST_S < len(self.signal(name)) / SPEECH_RATE_HZ < MOST_S:
                found[speaker].append(name)
        found["allison"] = [name for name in self._prompts if len(self.signal(name)) > LEAST_S * SPEECH_RATE_HZ]
        for speaker, names in found.items():
            random.Random(speaker).shuffle(names)
        return found

    def signal(self, name: str) -> Signal:
        """Returns the samples at 16 kHz; full scale is 1."""
        if name in self._prompts:
            samples, rate_hz = soundfile.read(self._prompts[name])
        else:
            offset, size = self._places[name]
            with self._archive.open("rb") as file:
                file.seek(offset)
                samples, rate_hz = soundfile.read(io.BytesIO(file.read(size)))
        resampled = np.asarray(soxr.resample(samples, rate_hz, SPEECH_RATE_HZ), np.float64)
        return resampled * min(1.0, LOUDEST / max(1e-6, float(np.abs(resampled).max())))

    def speech(self, aligned: Aligned) -> Speech:
        words = tuple(Word(*word) for word in aligned.words)
        return Speech(aligned.speaker, " ".join(word.text for word in words), self.signal(aligned.name), words)


def _directory(archive: Path) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yields the name, place and size of each recording (MP3) in the archive, whose format is ScummVM's."""
    with archive.open("rb") as file:
        head = file.read(15)
        for _ in range(struct.unpack(">H", head[13:])[0]):
            name, _, offset, size = struct.unpack(">12sBII", file.read(21))
            if name.rstrip(b"\0").endswith(b".SB"):
                yield name.rstrip(b"\0").decode("ascii")[:-3], (offset, size)


def _actor(name: str) -> str | None:
    """Returns who speaks, as far as the name tells: the hero, or the others of a scene."""
    if name.startswith("JOE") or name[6:7] == "J":
        return "joe"
    if name[6:7] == "P":
        return f"scene {name[:2]}"
    return f"film {name[:3]}" if name.startswith("C") else None


def aligned_recordings(recordings: Recordings, file: Path) -> list[Aligned]:
    """Transcribes and aligns the recordings, or reads the result of an earlier call from `file`."""
    if file.exists():
        return [
            Aligned(each["name"], each["speaker"], tuple((str(w), float(a), float(b)) for w, a, b in each["words"]))
            for each in json.loads(file.read_text("utf-8"))
        ]
    model, aligner = Model.load(), Aligner()
    found = []
    for speaker, names in recordings.speakers().items():
        limit = len(names) if speaker == "allison" else SENTENCES.get(speaker, SENTENCES_OF_OTHERS)
        for name in names[:limit]:
            sound = (recordings.signal(name) * 32767).astype(np.int16)
            decoded = model.decode(model.encode(sound))
            if decoded.confidence >= LEAST_CONFIDENCE and (words := aligner.align(decoded.text, sound.tobytes())):
                found.append(Aligned(name, speaker, words))
    file.write_text(json.dumps([asdict(each) for each in found]), "utf-8")
    return found


class Aligner:
    """PocketSphinx' forced alignment."""

    def __init__(self) -> None:
        from pocketsphinx import Decoder

        self._decoder: Any = Decoder(lm=None, loglevel="FATAL", bestpath=False)

    def align(self, text: str, sound: bytes) -> tuple[tuple[str, float, float], ...]:
        """Returns each word with its start and end in seconds; nothing if that fails or a word is unknown."""
        written = re.findall(r"[A-Za-z']+[.,?!;:…-]*", text.replace("’", "'"))
        words = [re.sub(r"[^a-z']", "", word.lower()) for word in written]
        known: Sequence[bool] = [self._decoder.lookup_word(word) is not None for word in words]
        if len(words) < 3 or re.search(r"\d", text) or not all(known):
            return ()
        try:
            self._decoder.set_align_text(" ".join(words))
            self._decoder.start_utt()
            self._decoder.process_raw(sound, full_utt=True)
            self._decoder.end_utt()
            segments = [each for each in self._decoder.seg() or () if each.word[0] not in "<[("]
        except RuntimeError:
            return ()
        if len(segments) != len(written):
            return ()
        return tuple(
            (word, each.start_frame / 100, (each.end_frame + 1) / 100)
            for word, each in zip(written, segments, strict=True)
        )
