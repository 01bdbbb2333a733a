"""`python -m tests.benchmarks.turns.weights` fits the weights of the sources in `dialogue/end_of_turn/estimate.py`.

The sources are not independent of each other, so that their sum would be too sure. A logistic regression on the cases
of the development part finds how much each one counts. Voices that only a machine makes are the most, so that a case of
a real speaker counts as `REAL_COUNT` cases.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tests.benchmarks.turns.case import Kind, Part, TurnCase
from tests.benchmarks.turns.cases import all_cases
from tests.benchmarks.turns.detector import StoredProbabilities, detected
from tests.benchmarks.turns.replay import FRAME
from voicebot.audio.prosody import Prosody
from voicebot.audio.sound import SPEECH_RATE_HZ, Audio
from voicebot.dialogue.end_of_turn.evidence import Source
from voicebot.dialogue.end_of_turn.sources import evidence_of_speech
from voicebot.dialogue.endpointing import EndpointRules
from voicebot.dialogue.events import SpeechPaused
from voicebot.session.utterance_segmenter import UtteranceSegmenter

SOURCES = (Source.WORDS, Source.QUESTION, Source.SOUND)
REAL = (Kind.TURN_PAIR, Kind.CUT_RECORDING)
"""The kinds of cases that were not made with synthetic voices of this project's tests."""
REAL_COUNT = 3.0
SOONER_S = 0.03
"""The detector may notice the pause this much before the end of the voice that the case names."""


def prosody_at_pause(case: TurnCase) -> Prosody | None:
    """Returns what the session measures at the pause that is judged; None if it does not notice the pause."""
    audio, probabilities = detected(case)
    segmenter = UtteranceSegmenter(StoredProbabilities(probabilities), EndpointRules(stop_s=10.0))
    samples = audio.samples[: len(probabilities) * StoredProbabilities.window_samples]
    for start in range(0, len(samples), FRAME):
        late = (start + FRAME) / SPEECH_RATE_HZ > case.pause_at_s - SOONER_S
        for event in segmenter.receive_audio(Audio(samples[start : start + FRAME], SPEECH_RATE_HZ)):
            if late and isinstance(event, SpeechPaused):
                return event.prosody
    return None


def log_odds(case: TurnCase) -> list[float]:
    """Returns the log-odds of each of `SOURCES`; 0 if a source says nothing."""
    found = evidence_of_speech(case.said, case.asked, prosody_at_pause(case), case.language)
    return [0.0 if evidence is None else evidence.log_odds for evidence in found]


def fitted(cases: Sequence[TurnCase]) -> npt.NDArray[np.float64]:
    """Returns the weight of each of `SOURCES`, and the offset."""
    inputs = np.array([[*log_odds(case), 1.0] for case in cases])
    over = np.array([case.over for case in cases], np.float64)
    counts = np.array([REAL_COUNT if case.kind in REAL else 1.0 for case in cases])
    found = np.zeros(inputs.shape[1])
    for _ in range(50):  # Newton's method
        probable = 1 / (1 + np.exp(-inputs @ found))
        gradient = inputs.T @ (counts * (over - probable)) - 0.01 * found
        curvature = (inputs * (counts * probable * (1 - probable))[:, np.newaxis]).T @ inputs
        found = found + np.linalg.solve(curvature + 0.01 * np.eye(len(found)), gradient)
    return found


def main() -> None:
    cases = [case for case in all_cases() if case.part is Part.DEVELOPMENT]
    for name, weight in zip([*SOURCES, "offset"], fitted(cases), strict=True):
        sys.stdout.write(f"{name}: {weight:.2f}\n")


if __name__ == "__main__":
    main()
