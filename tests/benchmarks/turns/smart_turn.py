"""The end-of-turn model Smart Turn for the benchmark, from Pipecat's wheel: `make .venv/smart-turn/.downloaded`.

`python -m tests.benchmarks.turns.smart_turn` reports how well the model alone tells the turns that are over from the
others, on the development cases, and what weight its answers deserve.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import numpy.typing as npt

from tests.benchmarks.turns.cases import Kind, Part, TurnCase, all_cases
from voicebot.audio.sound import SPEECH_RATE_HZ, Samples
from voicebot.engines.download import is_right
from voicebot.engines.turn.smart_turn import WEIGHTS, SmartTurnNetwork

FOLDER = Path(sys.prefix) / "smart-turn"
"""The folder into which make downloads the wheel."""

REAL = (Kind.TURN_PAIR, Kind.CUT_RECORDING)
"""The kinds of cases with real speakers."""

SILENCE_S = (0.064, 0.1, 0.15, 0.2, 0.3)
"""The silence that the model hears after the voice. The bot asks after 0.064 or 0.096 s, Pipecat after 0.2 s."""

Vector = npt.NDArray[np.float64]


def weights() -> Path | None:
    """Returns the file of the model, which is taken from the wheel once; None if the wheel was not downloaded.

    Raises ValueError if the wheel holds another file than the expected one.
    """
    wheel = next(FOLDER.glob("pipecat_ai-*.whl"), None)
    if wheel is None:
        return None
    file = FOLDER / Path(WEIGHTS.url).name
    if not file.exists():
        with ZipFile(wheel) as content:
            file.write_bytes(content.read(f"pipecat/audio/turn/smart_turn/data/{file.name}"))
    if not is_right(file, WEIGHTS):
        raise ValueError(f"{file} is not the expected model")
    return file


def area_under_curve(over: Vector, others: Vector) -> float:
    """Returns how often a turn that is over gets a higher value than another one; ties count half."""
    differences = over[:, np.newaxis] - others
    return float(np.mean(differences > 0) + 0.5 * np.mean(differences == 0))


def fitted(log_odds: Vector, over: Vector) -> tuple[float, float, float]:
    """Returns the weight of the log-odds, its standard error, and the offset, by a logistic regression.

    Turns that are over count as much as all others together.
    """
    inputs = np.stack([log_odds, np.ones_like(log_odds)], axis=1)
    counts = np.where(over == 1, 0.5 / over.mean(), 0.5 / (1 - over.mean()))
    found = np.zeros(2)
    for _ in range(50):  # Newton's method
        probable = 1 / (1 + np.exp(-inputs @ found))
        curvature = (inputs * (counts * probable * (1 - probable))[:, np.newaxis]).T @ inputs + 1e-6 * np.eye(2)
        found = found + np.linalg.solve(curvature, inputs.T @ (counts * (over - probable)))
    return float(found[0]), float(np.sqrt(np.linalg.inv(curvature)[0, 0])), float(found[1])


def report(cases: Sequence[TurnCase], network: SmartTurnNetwork) -> list[str]:
    """Returns the lines of the report."""
    groups: dict[str, list[TurnCase]] = {"all": list(cases), "real speakers": [c for c in cases if c.kind in REAL]}
    groups |= {kind.value: [case for case in cases if case.kind is kind] for kind in Kind}
    lines = [
        "| cases | over / not | silence | AUC | called over, of those over / not | weight | offset |",
        "|---|---|---|---|---|---|---|",
    ]
    for silence_s in SILENCE_S:
        for name, group in groups.items():
            over = np.array([case.over for case in group], np.float64)
            if not 0 < over.sum() < len(over):
                continue
            answers = np.array([network.probability(_heard(case, silence_s)) for case in group]).clip(1e-6, 1 - 1e-6)
            weight, error, offset = fitted(np.log(answers / (1 - answers)), over)
            ends, others = answers[over == 1], answers[over == 0]
            lines.append(
                f"| {name} | {len(ends)} / {len(others)} | {silence_s * 1000:.0f} ms | "
                f"{area_under_curve(ends, others):.3f} | {np.mean(ends > 0.5):.0%} / {np.mean(others > 0.5):.0%} | "
                f"{weight:.2f} ± {error:.2f} | {offset:+.2f} |"
            )
    return lines


def _heard(case: TurnCase, silence_s: float) -> Samples:
    assert case.audio is not None
    silence_s = min(silence_s, case.pause_s)
    return case.audio.samples[: round((case.pause_at_s + silence_s) * SPEECH_RATE_HZ)]


def main() -> None:
    file = weights()
    if file is None:
        sys.exit("Run `make .venv/smart-turn/.downloaded` first.")
    network = SmartTurnNetwork.load(file)
    cases = [case for case in all_cases() if case.part is Part.DEVELOPMENT and case.audio is not None]
    began_s = time.process_time()
    for case in cases[:20]:
        network.probability(_heard(case, 0.1))
    sys.stdout.write(f"{(time.process_time() - began_s) / 20 * 1000:.0f} ms of CPU an answer\n\n")
    sys.stdout.writelines(f"{line}\n" for line in report(cases, network))


if __name__ == "__main__":
    main()
