"""Pauses of real and synthetic speakers, each with what the product measures there."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from tests.benchmarks.turns.case import Kind, Part, TurnCase
from tests.benchmarks.turns.detector import StoredProbabilities, detected
from tests.benchmarks.turns.pauses import LEAD_S, SPEECH_DBFS, Opened, Speech, open_after, room_tone
from voicebot.audio.prosody import Prosody
from voicebot.audio.sound import SPEECH_RATE_HZ, Audio
from voicebot.dialogue.endpointing import EndpointRules
from voicebot.dialogue.events import SpeechPaused
from voicebot.engines.vad.silero import Silero
from voicebot.session.utterance_segmenter import UtteranceSegmenter

CUTS = 2
"""How many word boundaries of a sentence are opened."""
OWN_PAUSE_S, NO_PAUSE_S = 0.15, 0.03
SHORTEST_S = 0.5
"""A pause comes no sooner than this."""
HEARD_S = 0.6
"""How long after the end of the voice the segmenter may notice a pause."""
UNSURE_S = 0.1
"""The aligner may take a word for this much longer than it is."""
LOUD_SHARE = 0.1
"""Samples that are louder than this share of the loudest count for the level of the speech."""
WINDOW = StoredProbabilities.window_samples


class PauseKind(StrEnum):
    END = "end"
    """The turn is over."""
    CUT = "cut"
    """In the middle of a phrase, made by the script."""
    OWN = "own"
    """The speaker's own, within a sentence."""
    HESITATION = "hesitation"


@dataclass(frozen=True, slots=True)
class Pause:
    source: str
    speaker: str
    kind: PauseKind
    prosody: Prosody | None
    natural: bool = False
    """Whether the voice dies away as recorded. All others are cut and faded as in the benchmark, which takes the soft
    end of a sentence away, so that nothing is learnt from the way the script cuts."""


def pauses_of(source: str, speech: Speech, rng: random.Random) -> Iterator[Pause]:
    """Opens a sentence at its end, at the speaker's own pauses within it, and at `CUTS` other words."""
    words = speech.words
    places = [(PauseKind.END, len(words))]
    fluent = []
    for count in range(1, len(words)):
        gap_s, text = words[count].start_s - words[count - 1].end_s, words[count - 1].text
        if gap_s >= OWN_PAUSE_S and text[-1] not in ".?!":
            places.append((PauseKind.OWN, count))
        elif gap_s < NO_PAUSE_S and count >= 2 and text[-1].isalpha():
            fluent.append((PauseKind.CUT, count))
    places += rng.sample(fluent, min(CUTS, len(fluent)))
    for kind, count in places:
        if words[count - 1].end_s >= SHORTEST_S:
            yield from _measured(source, speech.speaker, kind, open_after(speech, count, f"{speech.text} {count}"))
            if kind is not PauseKind.CUT:
                for pause in _measured(source, speech.speaker, kind, as_recorded(speech, count)):
                    yield replace(pause, natural=True)


def as_recorded(speech: Speech, count: int) -> Opened:
    """Returns the speech up to the middle of the speaker's pause after `count` words, or to its end, and silence."""
    end_s, whole_s = speech.words[count - 1].end_s, len(speech.signal) / SPEECH_RATE_HZ
    stop_s = (end_s + speech.words[count].start_s) / 2 if count < len(speech.words) else whole_s
    heard = speech.signal[: round(stop_s * SPEECH_RATE_HZ)]
    loud = heard[np.abs(heard) > LOUD_SHARE * np.abs(heard).max()]
    heard = heard / np.sqrt(np.mean(loud**2)) * 10 ** (SPEECH_DBFS / 20)
    lead, rest = round(LEAD_S * SPEECH_RATE_HZ), round(HEARD_S * SPEECH_RATE_HZ)
    signal = np.concatenate([np.zeros(lead), heard, np.zeros(rest)])
    signal += room_tone(lead + len(heard), rest, speech.speaker)
    samples = (signal * 32767).clip(-32768, 32767).astype(np.int16)
    return Opened(Audio(samples, SPEECH_RATE_HZ), (), LEAD_S + end_s - UNSURE_S, HEARD_S, None)


def hesitation(source: str, speech: Speech) -> Iterator[Pause]:
    """Opens speech that breaks off with a filled pause."""
    opened = open_after(speech, len(speech.words), speech.text)
    yield from _measured(source, speech.speaker, PauseKind.HESITATION, opened)


def _measured(source: str, speaker: str, kind: PauseKind, opened: Opened) -> Iterator[Pause]:
    detector = Silero()
    count = int((opened.pause_at_s + HEARD_S) * SPEECH_RATE_HZ) // WINDOW
    windows = opened.audio.samples[: count * WINDOW].reshape(-1, WINDOW)
    probabilities = np.array([detector.probability(window) for window in windows], np.float32)
    yield from _heard(source, speaker, kind, opened.audio, probabilities, opened.pause_at_s)


def benchmark_pauses(cases: Iterable[TurnCase], part: Part) -> Iterator[Pause]:
    """Yields the pauses of one part of the benchmark."""
    for case in cases:
        if case.part is not part or case.audio is None:
            continue
        holds = PauseKind.HESITATION if case.kind is Kind.HESITATION else PauseKind.CUT
        synthetic = case.speaker.startswith(("flite", "espeak", "hibari"))
        source = "benchmark, synthetic" if synthetic else "benchmark, recorded"
        audio, probabilities = detected(case)
        kind = PauseKind.END if case.over else holds
        yield from _heard(source, case.speaker, kind, audio, probabilities, case.pause_at_s)


def _heard(
    source: str, speaker: str, kind: PauseKind, audio: Audio, probabilities: np.ndarray, pause_at_s: float
) -> Iterator[Pause]:
    """Yields what the segmenter reports at the pause; nothing if it notices no pause there."""
    segmenter = UtteranceSegmenter(StoredProbabilities(probabilities), EndpointRules())
    for number in range(len(probabilities)):
        end = (number + 1) * WINDOW
        for event in segmenter.receive_audio(Audio(audio.samples[end - WINDOW : end], SPEECH_RATE_HZ)):
            if isinstance(event, SpeechPaused) and end / SPEECH_RATE_HZ > pause_at_s - WINDOW / SPEECH_RATE_HZ:
                yield Pause(source, speaker, kind, event.prosody)
                return
        if end / SPEECH_RATE_HZ > pause_at_s + HEARD_S:
            return
