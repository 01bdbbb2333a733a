from __future__ import annotations

import argparse
import pickle
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tests.benchmarks.turns.cases import Part, all_cases
from tools import turn_sound
from tools.turn_sound.pauses import Pause, PauseKind, benchmark_pauses, hesitation, pauses_of
from tools.turn_sound.recordings import Recordings, aligned_recordings
from tools.turn_sound.synthetic import broken_off, whole_sentences
from tools.turn_sound.train import areas, calibration, fit, left_out, measured
from voicebot.dialogue.end_of_turn.sound import CUES, sound_evidence

FOLDS = 6


def all_pauses(packages: Path, work: Path) -> Iterator[Pause]:
    recordings = Recordings(packages)
    aligned = aligned_recordings(recordings, work / "aligned.json")
    yield from benchmark_pauses(all_cases(), Part.DEVELOPMENT)
    for speech in whole_sentences():
        yield from pauses_of(speech.speaker.split()[0], speech, random.Random(speech.text))
    for speech in broken_off():
        yield from hesitation(speech.speaker.split()[0], speech)
    for each in aligned:
        source = "asterisk" if each.speaker == "allison" else "actors"
        yield from pauses_of(source, recordings.speech(each), random.Random(each.name))


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tools.turn_sound",
        description=turn_sound.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("packages", type=Path, help="the folder into which the Debian packages were unpacked")
    parser.add_argument("work", type=Path, help="a folder for what takes long to compute")
    parser.add_argument("--held-out", action="store_true", help="only measure the weights that stand in the code")
    arguments = parser.parse_args()
    lines = report_held_out() if arguments.held_out else train(arguments.packages, arguments.work)
    sys.stdout.write("\n".join(lines) + "\n")


def report_held_out() -> list[str]:
    """Returns how well the weights in the code tell the held-out part of the benchmark apart."""
    pauses = [pause for pause in benchmark_pauses(all_cases(), Part.HELD_OUT) if pause.prosody is not None]
    evidence = [sound_evidence(pause.prosody) for pause in pauses]
    scores = np.array([each.log_odds for each in evidence if each is not None])
    data = measured(pauses)
    lines = [f"held out: {len(pauses)} pauses, {int(data.over.sum())} of them ends"]
    lines += [f"  {name}: {area:.3f}" for name, area in areas(data, scores).items()]
    factor, constant = calibration(data, scores)
    return [*lines, f"calibration (factor, constant): {factor:.2f} {constant:.2f}"]


def train(packages: Path, work: Path) -> list[str]:
    """Returns the weights, and how well they do for speech that was left out."""
    work.mkdir(parents=True, exist_ok=True)
    file = work / "pauses.pickle"
    if not file.exists():
        file.write_bytes(pickle.dumps(list(all_pauses(packages, work))))
    pauses: list[Pause] = pickle.loads(file.read_bytes())
    data = measured(pauses)
    lines = [f"{len(pauses)} pauses, {len(data.over)} with enough voice, {len(set(data.speakers))} speakers"]
    for source in sorted(set(data.sources)):
        counts = {kind: int(((data.sources == source) & (data.kinds == kind.value)).sum()) for kind in PauseKind}
        lines.append(f"{source}: " + ", ".join(f"{count} {kind}" for kind, count in counts.items() if count))
    speakers = sorted(set(data.speakers))
    folds = np.array([speakers.index(speaker) % FOLDS for speaker in data.speakers])
    by_source = left_out(data, data.sources)
    for title, scores in (("source", by_source), ("speaker", left_out(data, folds))):
        found = areas(data, scores)
        lines.append(f"AUC, each {title} judged by the others: mean {np.mean(list(found.values())):.3f}")
        lines += [f"  {name}: {area:.3f}" for name, area in found.items()]
    lines.append(
        "calibration of sources that were left out (factor, constant): {:.2f} {:.2f}".format(
            *calibration(data, by_source)
        )
    )
    whole = np.mean(list(areas(data, by_source).values()))
    for place, cue in enumerate(CUES):
        found = areas(data, left_out(data, data.sources, without=place))
        lines.append(f"without {cue.name}: {np.mean(list(found.values())) - whole:+.4f}")
    fitted = fit(data)
    for place, cue in enumerate(CUES):
        lines.append(f"{cue.name}: usual={fitted.usual[place]:.3f}, weight={fitted.weights[place]:.3f}")
    return [*lines, f"BIAS = {fitted.bias:.3f}"]


if __name__ == "__main__":
    main()
